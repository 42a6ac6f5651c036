"""The values that both transcoders read, each as one field of a body."""

from __future__ import annotations

from tests.gateway.transcoding.asked import of_kind

VALUES = {
    f"{message}.{field} {value}": of_kind(message, field, value)
    for message, field, values in (
        ("singular", "one_int32", (
            "5", '"5"', "5.0", "1e2", '"1e2"', "5.5", "2147483647", "2147483648", "-0", '""',
            '" 5"', '"+5"', '"0x5"', '"05"', "true", "{}",
        )),
        ("singular", "one_uint32", ("4294967295", "4294967296", "-1", '"-1"')),
        ("singular", "one_int64", (
            "9007199254740993", '"9007199254740993"', '"9223372036854775807"',
            "9223372036854775808", '"-9223372036854775808"', "1e18", '"1.0"',
        )),
        ("singular", "one_uint64", ('"18446744073709551615"', '"18446744073709551616"')),
        ("singular", "one_double", (
            "0.1", '"0.1"', '"NaN"', '"Infinity"', '"-Infinity"', "NaN", "Infinity", '"nan"',
            '"inf"', "1e308", "1e309", "5e-324", "-0.0", '"1e400"', '"0x1"', '" 1"', '"1."', '".5"',
        )),
        ("singular", "one_float", (
            "0.1", "3.4028235e38", "3.5e38", '"NaN"', '"-Infinity"', "1e-46", "16777217",
        )),
        ("singular", "one_bool", ("true", '"true"', "1", "0", '"1"', '"yes"')),
        ("singular", "one_string", ('""', "5", "true", '"\U0001f600"')),
        ("singular", "one_bytes", (
            '"aGk="', '"aGk"', '"_-8="', '"+/8="', '"a"', '"aGk=="', '"aG k="', '"!"', "5",
        )),
        ("singular", "color", (
            '"COLOR_RED"', '"COLOR_CRIMSON"', "1", "77", "-1", '"1"', '"COLOR_PINK"', '"color_red"',
            "1.0", "1.5",
        )),
        ("singular", "nothing", ("null", '"NULL_VALUE"', "0")),
        ("optional", "maybe_int32", ("0", "null")),
        ("optional", "maybe_string", ('""',)),
        ("optional", "nothing", ("null",)),
        ("repeated", "many_int32", ("[]", "[1, 2]", '["1", 2.0]', "5", "[1, null]", "[[1]]", "{}")),
        ("repeated", "many_double", ('[0.1, "NaN"]',)),
        ("repeated", "many_bytes", ('["aGk="]',)),
        ("repeated", "color", ('["COLOR_RED", 2]', '["COLOR_PINK"]')),
        ("map_values", "to_int64", ('{"a": 5, "b": "6"}', '{"a": null}', "[]")),
        ("map_values", "to_double", ('{"a": 0.5}',)),
        ("map_values", "color", ('{"a": "COLOR_RED"}', '{"a": "COLOR_PINK"}')),
        ("map_values", "to_string", ('{"a": "b", "a": "c"}',)),
        ("map_keys", "from_int32", ('{"5": 1}', '{"x": 1}', '{"5": 1, "05": 2}', '{"5.0": 1}')),
        ("map_keys", "from_int64", ('{"9007199254740993": 1}',)),
        ("map_keys", "from_bool", ('{"true": 1}', '{"yes": 1}', '{"True": 1}')),
        ("map_keys", "leaves", ('{"1": {"name": "a"}}',)),
        ("choice", "text", ('"a"', "null")),
        ("choice", "nothing", ("null", '"NULL_VALUE"')),
        ("choice", "value", ("null", "5")),
        ("choice", "wrapped", ("5", "null")),
        ("well_known", "timestamp", (
            '"2024-02-29T12:00:00Z"', '"2024-02-29T12:00:00.123456789Z"',
            '"2024-02-29T12:00:00+01:00"', '"2024-02-29t12:00:00z"', '"2024-02-29 12:00:00Z"',
            '"2023-02-29T12:00:00Z"', '"2024-02-29T12:00:00"', '"0001-01-01T00:00:00Z"',
            '"9999-12-31T23:59:59.999999999Z"', '"10000-01-01T00:00:00Z"',
            '"2024-02-29T12:00:00.1234567890Z"', '"2024-02-29T24:00:00Z"',
            '"2024-06-30T23:59:60Z"', "5", '""',
        )),
        ("well_known", "duration", (
            '"1.5s"', '"-1.5s"', '"0.000000001s"', '"315576000000s"', '"315576000001s"', '"1.5"',
            '"1.0000000001s"', '"1m"', '"-0.5s"', '".5s"', '"1.s"', "5", '"1e3s"',
        )),
        ("well_known", "field_mask", ('"oneWord,a.b"', '""', '"one_word"', '"a,,b"', '["a"]')),
        ("well_known", "struct", ('{"a": [1, {"b": null}]}', "{}", "[]", "null")),
        ("well_known", "value", ("null", "5", '"a"', "true", "[1, null]", '{"a": {}}', "1e309")),
        ("well_known", "list", ("[]", '[1, "a", [null]]', "{}")),
        ("well_known", "any", (
            "{}", '{"@type": "type.googleapis.com/kinds.v1.Leaf", "name": "a"}',
            '{"name": "a", "@type": "type.googleapis.com/kinds.v1.Leaf"}',
            '{"@type": "type.googleapis.com/google.protobuf.Duration", "value": "1s"}',
            '{"@type": "type.googleapis.com/google.protobuf.Duration", "seconds": 1}',
            '{"@type": "type.googleapis.com/nothing.v1.Known"}', '{"name": "a"}',
            '{"@type": "kinds.v1.Leaf"}', '{"@type": "x/kinds.v1.Leaf", "size": 1}',
        )),
        ("well_known", "empty", ("{}", '{"a": 1}', "null")),
        ("well_known", "bool_value", ("true", "false", "null", '"true"', '{"value": true}')),
        ("well_known", "bytes_value", ('"aGk="',)),
        ("well_known", "double_value", ('"NaN"', "0.5", "0")),
        ("well_known", "int64_value", ('"9007199254740993"', "5")),
        ("well_known", "string_value", ('"a"', '""', "5")),
        ("well_known", "uint32_value", ("5", "-1")),
        ("well_known_lists", "value", ("[null, 1]",)),
        ("well_known_lists", "int32_value", ("[1, 2]", "[null]")),
        ("well_known_lists", "timestamp", ('["2024-02-29T12:00:00Z"]', "[null]")),
        ("well_known_lists", "leaf", ('[{"name": "a"}]', "[null]")),
        ("well_known_maps", "value", ('{"a": null}',)),
        ("well_known_maps", "duration", ('{"a": "1s"}', '{"a": null}')),
    )
    for value in values
}  # fmt: skip
