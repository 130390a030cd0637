//! A batch of spans as a collector reads it.

use bytes::Bytes;
use opentelemetry_proto::{
    tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse},
    transform::{common::tonic::ResourceAttributesWithSchema, trace::tonic::group_spans_by_resource_and_scope},
};
use opentelemetry_sdk::{Resource, trace::SpanData};
use prost::Message;

/// The spans and what is said of this process, as OTLP in protobuf.
pub(super) fn encode(spans: Vec<SpanData>, resource: &Resource) -> Bytes {
    let resource = ResourceAttributesWithSchema::from(resource);
    let request = ExportTraceServiceRequest { resource_spans: group_spans_by_resource_and_scope(spans, &resource) };
    request.encode_to_vec().into()
}

/// How many of the spans the collector says it refused; an answer that cannot be read refuses none.
pub(super) fn refused(answer: &[u8]) -> usize {
    let answer = ExportTraceServiceResponse::decode(answer).unwrap_or_default();
    answer.partial_success.and_then(|partial| usize::try_from(partial.rejected_spans).ok()).unwrap_or(0)
}
