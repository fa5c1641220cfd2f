"""Reads requests of OTLP/HTTP with JSON, one a line, as OpenTelemetry's own definitions of the messages do, and prints the
spans, one a line. Unknown names and wrong types are errors.

The JSON of OTLP differs from that of Protobuf in one thing, which is undone here: ids are in hexadecimal, not in Base64.
"""

import base64
import json
import sys

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status


def value_of(value):
    return getattr(value, value.WhichOneof("value"))


for line in sys.stdin:
    request = json.loads(line)
    for spans in (scope for one in request["resourceSpans"] for scope in one["scopeSpans"]):
        for span in spans["spans"]:
            for name, length in (("traceId", 16), ("spanId", 8)):
                id = bytes.fromhex(span[name])
                assert len(id) == length and any(id), (name, span[name])
                assert span[name] == span[name].lower()
                span[name] = base64.b64encode(id).decode()
            assert isinstance(span["kind"], int), "enums are numbers"
            for name in ("startTimeUnixNano", "endTimeUnixNano"):
                assert isinstance(span[name], str), "64-bit integers are texts"
    parsed = json_format.ParseDict(request, ExportTraceServiceRequest(), ignore_unknown_fields=False)
    for one in parsed.resource_spans:
        resource = {pair.key: value_of(pair.value) for pair in one.resource.attributes}
        for scope in one.scope_spans:
            assert scope.scope.name, "a scope has a name"
            for span in scope.spans:
                assert span.start_time_unix_nano <= span.end_time_unix_nano
                print(
                    json.dumps(
                        {
                            "resource": resource,
                            "traceId": span.trace_id.hex(),
                            "spanId": span.span_id.hex(),
                            "parentSpanId": span.parent_span_id.hex(),
                            "name": span.name,
                            "kind": Span.SpanKind.Name(span.kind),
                            "start": span.start_time_unix_nano,
                            "end": span.end_time_unix_nano,
                            "status": Status.StatusCode.Name(span.status.code),
                            "message": span.status.message,
                            "attributes": {pair.key: value_of(pair.value) for pair in span.attributes},
                        }
                    )
                )
