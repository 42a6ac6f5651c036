"""A contract with fields, rules and routes of every kind, and the documents made of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jsonschema_rs import Draft202012Validator

from gateway.openapi import openapi_of
from gateway.routes import Routes, routes_of
from mlmesh.runtime.contracts import Contracts, load_contracts
from tests.gateway.compiled_contract import contracts_of

ZOO = """
    // Keeps animals.
    service Zoo {
      // Feeds an animal: now. It may refuse.
      rpc Feed(Animal) returns (Animal) {
        option (google.api.http) = {
          post: "/v1/{name=zoos/*/animals/*}:feed" body: "*"
          additional_bindings { get: "/v1/animals/{name}" }
          additional_bindings {
            put: "/v1/animals/{other.name}" body: "limits" response_body: "many"
          }
          additional_bindings { get: "/v1/rest/{name=**}" }
          additional_bindings { custom: {kind: "FEED" path: "/v1/animals"} body: "*" }
        };
      }
      // Counts.
      rpc Count(Animal) returns (stream Animal) {
        option deprecated = true;
        option (google.api.http) = { get: "/v1/animals/{name}/*" };
      }
      // Follows.
      rpc Follow(stream Animal) returns (stream Animal) {
        option (google.api.http) = { get: "/v1/followed/{name}" };
      }
      // Lists.
      rpc List(stream Animal) returns (Animal) {
        option (google.api.http) = { post: "/v1/animals/{name}:list" body: "*" };
      }
    }
    // Has rules.
    service Keeper {
      // Keeps them.
      rpc Keep(Limits) returns (Animal) {
        option (google.api.http) = { post: "/v1/kept/{needed}" body: "*" };
      }
      // Asks.
      rpc Ask(Question) returns (Animal) {
        option (google.api.http) = {
          get: "/v1/kept/{name}/asked"
          additional_bindings { get: "/v1/kept/{place=of/*}/{large}" }
        };
      }
    }
    // What a query can hold.
    message Question {
      // Text.
      string name = 1 [(buf.validate.field).string.max_len = 20];
      // A number.
      int64 large = 2 [(buf.validate.field).int64.gte = 0];
      // Numbers.
      repeated uint32 sizes = 3 [(buf.validate.field).repeated = {
        min_items: 1, items: {uint32: {lte: 9}}
      }];
      // A number.
      double share = 4 [(buf.validate.field).double = {gt: 0, lte: 1}];
      // One.
      Kind kind = 5 [(buf.validate.field).enum.defined_only = true];
      // Yes or no.
      bool flag = 6;
      // Bytes.
      bytes raw = 7;
      // When.
      google.protobuf.Timestamp when = 8;
      // How long.
      google.protobuf.Duration wait = 9;
      // Perhaps.
      google.protobuf.BoolValue perhaps = 10;
      // More.
      Inner inner = 11;
      // Text.
      string place = 12;
    }
    // Part of a question.
    message Inner {
      // Many.
      repeated string tags = 1;
      // A number.
      optional float single = 2;
    }
    // An animal.
    message Animal {
      // Its name.
      string name = 1;
      // A number.
      int32 small = 2;
      // A number.
      uint32 positive = 3;
      // A number.
      int64 large = 4;
      // A number.
      uint64 huge = 5;
      // A number.
      float single = 6;
      // A number.
      double real = 7;
      // Yes or no.
      bool flag = 8;
      // Bytes.
      bytes raw = 9;
      // One of a few.
      Kind kind = 10;
      // Another.
      Animal other = 11;
      // Many.
      repeated Animal many = 12;
      // By number.
      map<int32, Kind> kinds = 13;
      // By switch.
      map<bool, double> switches = 14;
      // Anything.
      google.protobuf.Value value = 15;
      // An object.
      google.protobuf.Struct struct = 16;
      // A list.
      google.protobuf.ListValue list = 17;
      // When.
      google.protobuf.Timestamp when = 18;
      // How long.
      google.protobuf.Duration wait = 19;
      // A number or nothing.
      google.protobuf.Int64Value maybe = 20;
      // Well?
      google.rpc.Status status = 21;
      // Its limits.
      Limits limits = 22;
      // Either.
      oneof either {
        // This.
        string this = 23;
        // Or that.
        int32 that = 24;
      }
      // Nothing.
      google.protobuf.NullValue nothing = 25;
      // Old.
      string old = 26 [deprecated = true];
      // Perhaps.
      optional string perhaps = 27;
      // Anything with a type.
      google.protobuf.Any any = 28;
    }
    // Fields with rules.
    message Limits {
      // Text.
      string sized = 1 [(buf.validate.field).string = {min_len: 2, max_len: 3}];
      // Text.
      string exact = 2 [(buf.validate.field).string.len = 4];
      // Text.
      string shaped = 3 [(buf.validate.field).string.pattern = "^[a-z]*$"];
      // Text.
      string framed = 4 [(buf.validate.field).string = {prefix: "a.", suffix: "z"}];
      // Text.
      string chosen = 5 [(buf.validate.field).string = {in: ["a", "b"]}];
      // Text.
      string refused = 6 [(buf.validate.field).string = {not_in: ["a"]}];
      // Text.
      string id = 7 [(buf.validate.field).string.uuid = true,
                     (buf.validate.field).ignore = IGNORE_IF_ZERO_VALUE];
      // Text.
      string needed = 8 [(buf.validate.field).required = true];
      // A number.
      double share = 9 [(buf.validate.field).double = {gte: 0, lte: 1}];
      // A number.
      double finite = 10 [(buf.validate.field).double.finite = true];
      // A number.
      int64 above = 11 [(buf.validate.field).int64.gt = 5];
      // A number.
      int32 below = 12 [(buf.validate.field).int32 = {lt: 5, gte: -5}];
      // A number.
      int32 outside = 13 [(buf.validate.field).int32 = {lt: -5, gt: 5}];
      // Many.
      repeated string tags = 14 [(buf.validate.field).repeated = {
        min_items: 1, max_items: 3, unique: true, items: {string: {max_len: 2}}
      }];
      // Many.
      map<string, int32> counts = 15 [(buf.validate.field).map = {
        min_pairs: 1, max_pairs: 2, keys: {string: {min_len: 1}}, values: {int32: {gt: 0}}
      }];
      // One.
      Kind kind = 16 [(buf.validate.field).enum = {not_in: [0]}];
      // One.
      Kind second = 17 [(buf.validate.field).enum.const = 1];
      // Bytes.
      bytes raw = 18 [(buf.validate.field).bytes = {min_len: 1, max_len: 6}];
      // A number or nothing.
      google.protobuf.Int32Value maybe = 19 [(buf.validate.field).int32.gte = 3];
      // Anything.
      google.protobuf.Value value = 20 [(buf.validate.field).required = true];
      // Yes.
      bool agreed = 21 [(buf.validate.field).bool.const = true];
      // One.
      Kind third = 25 [(buf.validate.field).required = true];
      // One, perhaps none.
      optional Kind fourth = 26 [(buf.validate.field).required = true];
      // Unchecked.
      string unchecked = 22 [(buf.validate.field) = {ignore: IGNORE_ALWAYS, string: {min_len: 9}}];
      // One must be.
      oneof must {
        option (buf.validate.oneof).required = true;
        // This.
        string first = 23;
        // Or that.
        string last = 24;
      }
    }
    // A kind.
    enum Kind {
      // Never sent.
      KIND_UNSPECIFIED = 0;
      // Large.
      KIND_BIG = 1;
    }
"""


def document_of(contracts: Contracts) -> tuple[dict[str, Any], Routes]:
    routes = routes_of(contracts)
    return openapi_of(contracts, routes, "1.2.3"), routes


def operations_of(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Path, verb and operation, unusual verbs included."""
    for path, item in document["paths"].items():
        for verb, operation in item.items():
            if verb == "x-additionalOperations":
                yield from ((path, unusual, one) for unusual, one in operation.items())
            else:
                yield path, verb.upper(), operation


def validator_of(document: dict[str, Any], schema: dict[str, Any]) -> Draft202012Validator:
    """Checks against one schema of a document."""
    return Draft202012Validator(schema | {"components": document["components"]})


SHIPPED, SHIPPED_ROUTES = document_of(load_contracts())
DOCUMENT, ROUTES = document_of(contracts_of(ZOO))
