"""A control plane as a mesh has it: gRPC clients with `xds:///` targets ask it where calls go.

State of the world over one aggregated stream (ADS); what changes is sent to everybody at once.
A program of its own, for the package of its contracts brings modules of other packages along, in
other versions: see routing.py.
"""

from __future__ import annotations

import json
import queue
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.config.listener.v3 import api_listener_pb2, listener_pb2
from envoy.config.route.v3 import route_pb2
from envoy.extensions.filters.http.router.v3 import router_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import (
    http_connection_manager_pb2 as manager_pb2,
)
from envoy.service.discovery.v3 import ads_pb2_grpc, discovery_pb2
from google.protobuf import any_pb2, json_format
from google.protobuf.message import Message

HEADER = "x-mlmesh-track"
STREAMS = 16


class ControlPlane(ads_pb2_grpc.AggregatedDiscoveryServiceServicer):  # type: ignore[misc]
    """Clusters are versions; each call goes to one by weight, or to the one that HEADER names."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._streams: list[queue.Queue[Any]] = []
        self._weights: Mapping[str, int] = {}
        self._endpoints: Mapping[str, Sequence[str]] = {}

    def route(self, weights: Mapping[str, int], endpoints: Mapping[str, Sequence[str]]) -> None:
        """From now on: versions with their weights, and versions with their addresses."""
        with self._lock:
            self._weights, self._endpoints = weights, endpoints
            for stream in self._streams:
                stream.put(None)

    def StreamAggregatedResources(
        self, requests: Iterator[Any], context: grpc.ServicerContext
    ) -> Iterator[Any]:
        events: queue.Queue[Any] = queue.Queue()
        with self._lock:
            self._streams.append(events)
        reading = threading.Thread(target=_read, args=(requests, events), daemon=True)
        reading.start()
        wanted: dict[str, list[str]] = {}
        sent = 0
        while True:
            event = events.get()
            if isinstance(event, Exception):
                return
            if event is not None:
                if event.HasField("error_detail"):
                    print("refused", event.error_detail.message, file=sys.stderr, flush=True)
                    continue
                names = list(event.resource_names)
                if event.response_nonce and names == wanted.get(event.type_url):
                    continue
                wanted[event.type_url] = names
            for type_url in list(wanted) if event is None else [event.type_url]:
                sent += 1
                yield discovery_pb2.DiscoveryResponse(
                    version_info=str(sent),
                    nonce=str(sent),
                    type_url=type_url,
                    resources=[_packed(one) for one in self._resources(type_url, wanted[type_url])],
                )

    def _resources(self, type_url: str, names: Sequence[str]) -> Iterator[Any]:
        kind = type_url.rpartition(".")[2]
        with self._lock:
            weights, endpoints = self._weights, self._endpoints
        for name in names:
            if kind == "Listener":
                yield _listener(name, weights)
            elif kind == "Cluster":
                yield _cluster(name)
            elif kind == "ClusterLoadAssignment":
                yield _assignment(name, endpoints.get(name, ()))


def main() -> None:
    """Serve until standard input ends: say the port, then do what each line of it says.

    A line is an object with `weights` and `endpoints`; what clients refuse is said, a line each.
    """
    plane = ControlPlane()
    server = grpc.server(ThreadPoolExecutor(STREAMS))
    ads_pb2_grpc.add_AggregatedDiscoveryServiceServicer_to_server(plane, server)
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    server.start()
    for line in sys.stdin:
        plane.route(**json.loads(line))
        print("routed", flush=True)
    server.stop(None)


def _read(requests: Iterator[Any], events: queue.Queue[Any]) -> None:
    try:
        for request in requests:
            events.put(request)
    except grpc.RpcError:
        pass
    finally:
        events.put(EOFError())


def _packed(message: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed


def _listener(name: str, weights: Mapping[str, int]) -> Any:
    retry = {"retryOn": "unavailable", "numRetries": 3}
    by_header = [
        {
            "match": {
                "prefix": "/",
                "headers": [{"name": HEADER, "stringMatch": {"exact": version}}],
            },
            "route": {"cluster": version, "retryPolicy": retry},
        }
        for version in weights
    ]
    by_weight = {
        "match": {"prefix": "/"},
        "route": {
            "weightedClusters": {
                "clusters": [{"name": name, "weight": weight} for name, weight in weights.items()]
            },
            "retryPolicy": retry,
        },
    }
    hosts = [{"name": "mesh", "domains": ["*"], "routes": [*by_header, by_weight]}]
    routes = {"name": "routes", "virtualHosts": hosts}
    manager = manager_pb2.HttpConnectionManager(
        route_config=json_format.ParseDict(routes, route_pb2.RouteConfiguration()),
        http_filters=[
            manager_pb2.HttpFilter(name="router", typed_config=_packed(router_pb2.Router()))
        ],
    )
    api = api_listener_pb2.ApiListener(api_listener=_packed(manager))
    return listener_pb2.Listener(name=name, api_listener=api)


def _cluster(name: str) -> Any:
    source = {"edsConfig": {"ads": {}, "resourceApiVersion": "V3"}}
    said = {"name": name, "type": "EDS", "edsClusterConfig": source, "lbPolicy": "ROUND_ROBIN"}
    return json_format.ParseDict(said, cluster_pb2.Cluster())


def _assignment(name: str, addresses: Sequence[str]) -> Any:
    endpoints = []
    for address in addresses:
        host, _, port = address.rpartition(":")
        place = {"socketAddress": {"address": host, "portValue": int(port)}}
        endpoints.append({"healthStatus": "HEALTHY", "endpoint": {"address": place}})
    locality = {"locality": {"region": "here"}, "loadBalancingWeight": 1, "lbEndpoints": endpoints}
    said = {"clusterName": name, "endpoints": [locality]}
    return json_format.ParseDict(said, endpoint_pb2.ClusterLoadAssignment())


if __name__ == "__main__":
    main()
