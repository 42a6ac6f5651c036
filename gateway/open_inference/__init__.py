"""The Open Inference Protocol (KServe v2) over HTTP, before services that speak it by gRPC."""
