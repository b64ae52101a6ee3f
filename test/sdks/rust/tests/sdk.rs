//! The AWS SDK for Rust against the endpoint of the environment. test/sdks/run.py starts the program and sets it.

use aws_config::BehaviorVersion;
use aws_credential_types::Credentials;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::operation::RequestId;
use aws_sdk_sqs::primitives::Blob;
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, Message, MessageAttributeValue,
    MessageSystemAttributeName, MessageSystemAttributeNameForSends, MessageSystemAttributeValue,
    QueueAttributeName, SendMessageBatchRequestEntry,
};
use aws_sdk_sqs::Client;
use aws_sigv4::http_request::{sign, SignableBody, SignableRequest, SignatureLocation, SigningSettings};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::CreateUnhandledError;
use std::collections::{HashMap, HashSet};
use std::io::{Read, Write};
use std::time::{Duration, Instant, SystemTime};

const ACCOUNT: &str = "000000000000";
const GARDENER: &str = "arn:aws:iam::111122223333:user/gardener";

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"))
}

/// What an application does, everything comes from the environment, but that plain HTTP is enough here.
async fn load(credentials: Option<Credentials>) -> aws_config::SdkConfig {
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(aws_smithy_http_client::Builder::new().build_http());
    if let Some(credentials) = credentials {
        loader = loader.credentials_provider(credentials);
    }
    loader.load().await
}

fn key(id: &str, secret: &str) -> Credentials {
    Credentials::new(id, secret, None, None, "test")
}

fn issued() -> Credentials {
    key(&variable("KUMONIWA_ISSUED_KEY"), &variable("KUMONIWA_ISSUED_SECRET"))
}

/// A client, and a name that is this test's own.
struct Garden {
    sqs: Client,
    name: String,
}

async fn garden(test: &str) -> Garden {
    Garden { sqs: Client::new(&load(None).await), name: format!("rust-{test}") }
}

impl Garden {
    async fn make(&self, attributes: &[(QueueAttributeName, &str)]) -> String {
        let fifo = attributes.iter().any(|(name, _)| *name == QueueAttributeName::FifoQueue);
        let name = if fifo { format!("{}.fifo", self.name) } else { self.name.clone() };
        self.make_named(&name, attributes).await
    }

    async fn make_named(&self, name: &str, attributes: &[(QueueAttributeName, &str)]) -> String {
        let mut request = self.sqs.create_queue().queue_name(name);
        for (name, value) in attributes {
            request = request.attributes(name.clone(), *value);
        }
        request.send().await.unwrap().queue_url.unwrap()
    }

    async fn send(&self, queue: &str, body: &str) -> String {
        let sent = self.sqs.send_message().queue_url(queue).message_body(body).send().await.unwrap();
        sent.message_id.unwrap()
    }

    async fn receive(&self, queue: &str, wait: i32) -> Vec<Message> {
        let request = self.sqs.receive_message().queue_url(queue).max_number_of_messages(10);
        let got = request
            .wait_time_seconds(wait)
            .message_attribute_names("All")
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .send()
            .await
            .unwrap();
        got.messages.unwrap_or_default()
    }

    async fn receive_one(&self, queue: &str) -> Message {
        let mut got = self.receive(queue, 10).await;
        assert_eq!(got.len(), 1, "messages");
        got.remove(0)
    }

    async fn receive_none(&self, queue: &str) {
        assert_eq!(self.receive(queue, 0).await, []);
    }

    async fn remove(&self, queue: &str, message: &Message) {
        let handle = message.receipt_handle().unwrap();
        self.sqs.delete_message().queue_url(queue).receipt_handle(handle).send().await.unwrap();
    }

    async fn attribute(&self, queue: &str, name: QueueAttributeName) -> String {
        let request = self.sqs.get_queue_attributes().queue_url(queue).attribute_names(name.clone());
        request.send().await.unwrap().attributes.unwrap()[&name].clone()
    }
}

fn redrive_policy(arn: &str, count: i32) -> String {
    format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":{count}}}"#)
}

/// The error that the service answered with, in a response with this status and a request id.
#[track_caller]
fn failed<T, E>(outcome: Result<T, SdkError<E, HttpResponse>>, status: u16) -> E
where
    T: std::fmt::Debug,
    E: std::error::Error + Send + Sync + CreateUnhandledError + 'static,
{
    let error = outcome.unwrap_err();
    let response = error.raw_response().unwrap_or_else(|| panic!("no response in {error:?}"));
    assert_eq!(response.status().as_u16(), status, "{error:?}");
    assert!(error.request_id().is_some(), "{error:?}");
    error.into_service_error()
}

#[tokio::test]
async fn create_standard_queue() {
    let g = garden("create").await;
    let attributes = [(QueueAttributeName::VisibilityTimeout, "45")];
    let queue = g.make(&attributes).await;
    assert!(queue.ends_with(&format!("/{ACCOUNT}/{}", g.name)), "{queue}");
    assert_eq!(g.make(&attributes).await, queue);
    let other = g.sqs.create_queue().queue_name(&g.name);
    let outcome = other.attributes(QueueAttributeName::VisibilityTimeout, "46").send().await;
    assert!(failed(outcome, 400).is_queue_name_exists());
    let found = g.sqs.get_queue_url().queue_name(&g.name).send().await.unwrap();
    assert_eq!(found.queue_url(), Some(&*queue));
    let found = g.sqs.get_queue_url().queue_name(&g.name).queue_owner_aws_account_id(ACCOUNT);
    assert_eq!(found.send().await.unwrap().queue_url(), Some(&*queue));
}

#[tokio::test]
async fn fifo_queue() {
    let g = garden("fifo").await;
    let queue = &g
        .make(&[
            (QueueAttributeName::FifoQueue, "true"),
            (QueueAttributeName::ContentBasedDeduplication, "true"),
        ])
        .await;
    let put = async |group: &str, body: &str| {
        let request = g.sqs.send_message().queue_url(queue).message_body(body);
        request.message_group_id(group).send().await.unwrap()
    };
    let first = put("a", "a1").await;
    let again = put("a", "a1").await;
    assert_eq!(again.message_id(), first.message_id());
    assert_eq!(again.sequence_number(), first.sequence_number());
    assert!(put("a", "a2").await.sequence_number() > first.sequence_number());
    put("b", "b1").await;

    // While a1 is in flight, group a is closed and b is not.
    let take = async || {
        let request = g.sqs.receive_message().queue_url(queue).max_number_of_messages(1);
        let got = request.message_system_attribute_names(MessageSystemAttributeName::All);
        got.send().await.unwrap().messages.unwrap_or_default().pop()
    };
    let a1 = take().await.unwrap();
    assert_eq!(a1.body(), Some("a1"));
    let attributes = a1.attributes().unwrap();
    assert_eq!(attributes[&MessageSystemAttributeName::MessageGroupId], "a");
    assert_eq!(Some(&*attributes[&MessageSystemAttributeName::SequenceNumber]), first.sequence_number());
    assert_eq!(take().await.unwrap().body(), Some("b1"));
    assert_eq!(take().await, None);
    g.remove(queue, &a1).await;
    assert_eq!(take().await.unwrap().body(), Some("a2"));

    let outcome = g.sqs.send_message().queue_url(queue).message_body("no group").send().await;
    assert_eq!(failed(outcome, 400).code(), Some("MissingParameter"));
}

/// This SDK does not look at the digests: they are compared with ones computed from "Amazon SQS message metadata",
/// SQS Developer Guide.
#[tokio::test]
async fn message_attributes() {
    let g = garden("message-attributes").await;
    let queue = &g.make(&[]).await;
    let value = |kind: &str| MessageAttributeValue::builder().data_type(kind);
    let every_byte: Vec<u8> = (0..=255).collect();
    let attributes = HashMap::from([
        ("text".into(), value("String").string_value("ä\t\"<&> 雲庭").build().unwrap()),
        ("number".into(), value("Number.int").string_value("42").build().unwrap()),
        ("bytes".into(), value("Binary.all").binary_value(Blob::new(every_byte)).build().unwrap()),
    ]);
    let trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
    let header = MessageSystemAttributeValue::builder().data_type("String").string_value(trace);
    let request = g.sqs.send_message().queue_url(queue).message_body("こんにちは");
    let sent = request
        .set_message_attributes(Some(attributes.clone()))
        .message_system_attributes(
            MessageSystemAttributeNameForSends::AwsTraceHeader,
            header.build().unwrap(),
        )
        .send()
        .await
        .unwrap();
    assert_eq!(sent.md5_of_message_body(), Some("c0e89a293bd36c7a768e4e9d2c5475a8"));
    assert_eq!(sent.md5_of_message_attributes(), Some("e8b8c7ebdfbcc04e9855c11289c72bda"));
    assert_eq!(sent.md5_of_message_system_attributes(), Some("5ae4d5d7636402d80f4eb6d213245a88"));
    let got = g.receive_one(queue).await;
    assert_eq!(got.message_id(), sent.message_id());
    assert_eq!(got.body(), Some("こんにちは"));
    assert_eq!(got.md5_of_body(), sent.md5_of_message_body());
    assert_eq!(got.md5_of_message_attributes(), sent.md5_of_message_attributes());
    assert_eq!(got.message_attributes(), Some(&attributes));
    let system = got.attributes().unwrap();
    assert_eq!(system[&MessageSystemAttributeName::AwsTraceHeader], trace);
    assert_eq!(system[&MessageSystemAttributeName::ApproximateReceiveCount], "1");
}

#[tokio::test]
async fn large_message() {
    let g = garden("large").await;
    let queue = &g.make(&[]).await;
    let mut body = "x".repeat(1 << 20);
    g.send(queue, &body).await;
    assert!(g.receive_one(queue).await.body() == Some(&*body));
    body.push('x');
    let outcome = g.sqs.send_message().queue_url(queue).message_body(body).send().await;
    assert_eq!(failed(outcome, 400).code(), Some("InvalidParameterValue"));
}

#[tokio::test]
async fn batches_with_partial_failure() {
    let g = garden("batches").await;
    let queue = &g.make(&[]).await;
    let entry = |id: &str| SendMessageBatchRequestEntry::builder().id(id).message_body("x");
    let attribute = MessageAttributeValue::builder().data_type("String").string_value("v");
    let also = entry("also").message_attributes("k", attribute.build().unwrap());
    let sent = g
        .sqs
        .send_message_batch()
        .queue_url(queue)
        .entries(entry("good").build().unwrap())
        .entries(entry("late").delay_seconds(9999).build().unwrap())
        .entries(also.build().unwrap())
        .send()
        .await
        .unwrap();
    assert_eq!(sent.successful().len(), 2);
    assert_eq!(sent.failed().len(), 1);
    assert_eq!(sent.failed()[0].id(), "late");
    assert_eq!(sent.failed()[0].code(), "InvalidParameterValue");
    assert!(sent.failed()[0].sender_fault());

    let mut got = Vec::new();
    while got.len() < 2 {
        let more = g.receive(queue, 5).await;
        assert!(!more.is_empty());
        got.extend(more);
    }
    let change = |id: &str, handle: &str| {
        let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(id);
        entry.receipt_handle(handle).visibility_timeout(60).build().unwrap()
    };
    let changed = g
        .sqs
        .change_message_visibility_batch()
        .queue_url(queue)
        .entries(change("good", got[0].receipt_handle().unwrap()))
        .entries(change("bad", "nonsense"))
        .send()
        .await
        .unwrap();
    assert_eq!(changed.successful().len(), 1);
    assert_eq!(changed.failed()[0].code(), "ReceiptHandleIsInvalid");
    let delete = |id: &str, handle: &str| {
        let entry = DeleteMessageBatchRequestEntry::builder().id(id);
        entry.receipt_handle(handle).build().unwrap()
    };
    let deleted = g
        .sqs
        .delete_message_batch()
        .queue_url(queue)
        .entries(delete("a", got[0].receipt_handle().unwrap()))
        .entries(delete("b", "nonsense"))
        .entries(delete("c", got[1].receipt_handle().unwrap()))
        .send()
        .await
        .unwrap();
    assert_eq!(deleted.successful().len(), 2);
    assert_eq!(deleted.failed()[0].id(), "b");
    let in_flight = QueueAttributeName::ApproximateNumberOfMessagesNotVisible;
    assert_eq!(g.attribute(queue, in_flight).await, "0");
}

#[tokio::test]
async fn batch_errors_are_typed() {
    let g = garden("batch-errors").await;
    let queue = &g.make(&[]).await;
    let batch = async |ids: &[&str]| {
        let entries = ids
            .iter()
            .map(|id| SendMessageBatchRequestEntry::builder().id(*id).message_body("x").build().unwrap());
        let request = g.sqs.send_message_batch().queue_url(queue);
        failed(request.set_entries(Some(entries.collect())).send().await, 400)
    };
    assert!(batch(&[]).await.is_empty_batch_request());
    assert!(batch(&["a", "a"]).await.is_batch_entry_ids_not_distinct());
    let eleven = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10"];
    assert!(batch(&eleven).await.is_too_many_entries_in_batch_request());
    assert!(batch(&["not allowed!"]).await.is_invalid_batch_entry_id());
}

#[tokio::test]
async fn long_poll_wakes() {
    let g = garden("long-poll").await;
    let queue = &g.make(&[]).await;
    let begin = Instant::now();
    let request = g.sqs.receive_message().queue_url(queue).wait_time_seconds(20);
    let received = tokio::spawn(request.send());
    tokio::time::sleep(Duration::from_millis(500)).await;
    g.send(queue, "wake up").await;
    let got = received.await.unwrap().unwrap();
    let took = begin.elapsed();
    assert_eq!(got.messages().len(), 1);
    assert_eq!(got.messages()[0].body(), Some("wake up"));
    assert!(took >= Duration::from_millis(500) && took < Duration::from_secs(10), "{took:?}");
}

#[tokio::test]
async fn long_poll_ends_empty() {
    let g = garden("long-poll-ends").await;
    let queue = &g.make(&[]).await;
    let begin = Instant::now();
    assert_eq!(g.receive(queue, 1).await, []);
    assert!(begin.elapsed() >= Duration::from_millis(900), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn change_visibility() {
    let g = garden("visibility").await;
    let queue = &g.make(&[]).await;
    g.send(queue, "again").await;
    let first = g.receive_one(queue).await;
    g.receive_none(queue).await;
    let change = async |handle: &str, seconds: i32| {
        let request = g.sqs.change_message_visibility().queue_url(queue).receipt_handle(handle);
        request.visibility_timeout(seconds).send().await
    };
    change(first.receipt_handle().unwrap(), 0).await.unwrap();
    let second = g.receive_one(queue).await;
    assert_eq!(second.message_id(), first.message_id());
    let count = &second.attributes().unwrap()[&MessageSystemAttributeName::ApproximateReceiveCount];
    assert_eq!(count, "2");
    let late = failed(change(second.receipt_handle().unwrap(), 43201).await, 400);
    assert_eq!(late.code(), Some("InvalidParameterValue"));
    assert!(failed(change("nonsense", 1).await, 404).is_receipt_handle_is_invalid());
}

#[tokio::test]
async fn delete_message() {
    let g = garden("delete").await;
    let queue = &g.make(&[]).await;
    g.send(queue, "gone soon").await;
    let got = g.receive_one(queue).await;
    g.remove(queue, &got).await;
    g.remove(queue, &got).await;
    assert_eq!(g.attribute(queue, QueueAttributeName::ApproximateNumberOfMessages).await, "0");
    let in_flight = QueueAttributeName::ApproximateNumberOfMessagesNotVisible;
    assert_eq!(g.attribute(queue, in_flight).await, "0");
    let outcome = g.sqs.delete_message().queue_url(queue).receipt_handle("nonsense").send().await;
    assert!(failed(outcome, 404).is_receipt_handle_is_invalid());
}

#[tokio::test]
async fn delay() {
    let g = garden("delay").await;
    let queue = &g.make(&[(QueueAttributeName::DelaySeconds, "1")]).await;
    let begin = Instant::now();
    g.send(queue, "later").await;
    g.receive_none(queue).await;
    let delayed = QueueAttributeName::ApproximateNumberOfMessagesDelayed;
    assert_eq!(g.attribute(queue, delayed).await, "1");
    g.receive_one(queue).await;
    assert!(begin.elapsed() >= Duration::from_millis(900), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn queue_attributes() {
    let g = garden("attributes").await;
    let queue = &g.make(&[]).await;
    let arn = g.attribute(queue, QueueAttributeName::QueueArn).await;
    assert_eq!(arn, format!("arn:aws:sqs:us-east-1:{ACCOUNT}:{}", g.name));
    let set = g.sqs.set_queue_attributes().queue_url(queue);
    set.attributes(QueueAttributeName::VisibilityTimeout, "77")
        .attributes(QueueAttributeName::MessageRetentionPeriod, "3600")
        .send()
        .await
        .unwrap();
    let get = g.sqs.get_queue_attributes().queue_url(queue);
    let all = get.attribute_names(QueueAttributeName::All).send().await.unwrap().attributes.unwrap();
    assert_eq!(all[&QueueAttributeName::VisibilityTimeout], "77");
    assert_eq!(all[&QueueAttributeName::MessageRetentionPeriod], "3600");
    assert_eq!(all[&QueueAttributeName::SqsManagedSseEnabled], "true");
    let set = g.sqs.set_queue_attributes().queue_url(queue);
    let outcome = set.attributes(QueueAttributeName::VisibilityTimeout, "-1").send().await;
    assert!(failed(outcome, 400).is_invalid_attribute_value());
    let get = g.sqs.get_queue_attributes().queue_url(queue);
    let outcome = get.attribute_names("NotAnAttribute".into()).send().await;
    assert!(failed(outcome, 400).is_invalid_attribute_name());
}

#[tokio::test]
async fn tags() {
    let g = garden("tags").await;
    let make = g.sqs.create_queue().queue_name(&g.name).tags("made", "with").tags("空", "雲");
    let queue = make.send().await.unwrap().queue_url.unwrap();
    let tag = g.sqs.tag_queue().queue_url(&queue).tags("made", "anew").tags("team", "garden");
    tag.send().await.unwrap();
    let untag = g.sqs.untag_queue().queue_url(&queue).tag_keys("team").tag_keys("none");
    untag.send().await.unwrap();
    let got = g.sqs.list_queue_tags().queue_url(&queue).send().await.unwrap();
    let left = HashMap::from([("made".into(), "anew".into()), ("空".into(), "雲".into())]);
    assert_eq!(got.tags(), Some(&left));
}

#[tokio::test]
async fn paging() {
    let g = garden("paging").await;
    let dead = g.make_named(&format!("dead-{}", g.name), &[]).await;
    let policy = redrive_policy(&g.attribute(&dead, QueueAttributeName::QueueArn).await, 3);
    let mut made = Vec::new();
    for i in 0..7 {
        let attributes = [(QueueAttributeName::RedrivePolicy, &*policy)];
        made.push(g.make_named(&format!("{}-{i}", g.name), &attributes).await);
    }
    let list = g.sqs.list_queues().queue_name_prefix(format!("{}-", g.name)).max_results(3);
    let mut pages = list.into_paginator().send();
    let (mut sizes, mut found) = (Vec::new(), Vec::new());
    while let Some(page) = pages.next().await {
        let urls = page.unwrap().queue_urls.unwrap();
        sizes.push(urls.len());
        found.extend(urls);
    }
    found.sort();
    assert_eq!(sizes, [3, 3, 1]);
    assert_eq!(found, made);
    let list = g.sqs.list_dead_letter_source_queues().queue_url(&dead).max_results(2);
    let mut items = list.into_paginator().items().send();
    found.clear();
    while let Some(url) = items.next().await {
        found.push(url.unwrap());
    }
    found.sort();
    assert_eq!(found, made);
}

#[tokio::test]
async fn dead_letter_queue_and_redrive() {
    let g = garden("redrive").await;
    let dead = &g.make_named(&format!("{}-dead", g.name), &[]).await;
    let arn = g.attribute(dead, QueueAttributeName::QueueArn).await;
    let policy = redrive_policy(&arn, 2);
    let attributes =
        [(QueueAttributeName::RedrivePolicy, &*policy), (QueueAttributeName::VisibilityTimeout, "0")];
    let queue = &g.make(&attributes).await;
    let sent = g.send(queue, "poison").await;
    g.receive_one(queue).await;
    g.receive_one(queue).await;
    g.receive_none(queue).await;
    let got = g.receive_one(dead).await;
    assert_eq!(got.message_id(), Some(&*sent));
    let source = &got.attributes().unwrap()[&MessageSystemAttributeName::DeadLetterQueueSourceArn];
    assert_eq!(*source, g.attribute(queue, QueueAttributeName::QueueArn).await);
    let change = g.sqs.change_message_visibility().queue_url(dead).visibility_timeout(0);
    change.receipt_handle(got.receipt_handle().unwrap()).send().await.unwrap();
    let task = g.sqs.start_message_move_task().source_arn(&arn).send().await.unwrap();
    assert!(task.task_handle().is_some());
    assert_eq!(g.receive_one(queue).await.body(), Some("poison"));
    let told = g.sqs.list_message_move_tasks().source_arn(&arn).send().await.unwrap();
    assert_eq!(told.results().len(), 1);
    assert_eq!(told.results()[0].source_arn(), Some(&*arn));
    let none = g.sqs.start_message_move_task().source_arn(format!("{arn}-none")).send().await;
    assert!(failed(none, 404).is_resource_not_found_exception());
}

/// Only the path of a queue URL counts: whatever made it, and through whatever host.
#[tokio::test]
async fn queue_url_forms() {
    let g = garden("url-forms").await;
    g.make(&[]).await;
    let endpoint = variable("AWS_ENDPOINT_URL");
    for host in [
        &*endpoint,
        "https://sqs.us-east-1.amazonaws.com",
        "https://us-east-1.queue.amazonaws.com",
        "https://queue.amazonaws.com",
        "http://sqs.us-east-1.localhost.localstack.cloud:4566",
        "http://localhost:4566",
        "http://localhost:4566/queue/us-east-1",
    ] {
        let queue = format!("{host}/{ACCOUNT}/{}", g.name);
        g.send(&queue, host).await;
        let got = g.receive_one(&queue).await;
        assert_eq!(got.body(), Some(host));
        g.remove(&queue, &got).await;
    }
}

#[tokio::test]
async fn missing_queue_is_typed() {
    let g = garden("missing").await;
    let missing = failed(g.sqs.get_queue_url().queue_name(&g.name).send().await, 400);
    assert!(missing.is_queue_does_not_exist(), "{missing:?}");
    assert_eq!(missing.message(), Some("The specified queue does not exist."));
    assert_eq!(missing.code(), Some("AWS.SimpleQueueService.NonExistentQueue"));
    let queue = g.make(&[]).await;
    g.sqs.delete_queue().queue_url(&queue).send().await.unwrap();
    let outcome = g.sqs.receive_message().queue_url(&queue).send().await;
    assert!(failed(outcome, 400).is_queue_does_not_exist());
}

#[tokio::test]
async fn purge() {
    let g = garden("purge").await;
    let queue = &g.make(&[]).await;
    for _ in 0..3 {
        g.send(queue, "message").await;
    }
    g.sqs.purge_queue().queue_url(queue).send().await.unwrap();
    g.receive_none(queue).await;
    let again = g.sqs.purge_queue().queue_url(queue).send().await;
    assert!(failed(again, 403).is_purge_queue_in_progress());
}

#[tokio::test]
async fn permissions() {
    let g = garden("permissions").await;
    let queue = &g.make(&[]).await;
    let add = g.sqs.add_permission().queue_url(queue).label("label").actions("SendMessage");
    add.aws_account_ids("111122223333").send().await.unwrap();
    let policy = g.attribute(queue, QueueAttributeName::Policy).await;
    assert!(policy.contains("\"label\""), "{policy}");
    g.sqs.remove_permission().queue_url(queue).label("label").send().await.unwrap();
}

#[tokio::test]
async fn many_at_once() {
    let g = garden("many").await;
    let queue = &g.make(&[]).await;
    let mut running = tokio::task::JoinSet::new();
    for i in 0..400 {
        let request = g.sqs.send_message().queue_url(queue).message_body(format!("message {i}"));
        running.spawn(request.send());
    }
    while let Some(sent) = running.join_next().await {
        sent.unwrap().unwrap();
    }
    let mut seen = HashSet::new();
    loop {
        let got = g.receive(queue, 0).await;
        if got.is_empty() {
            break;
        }
        for message in got {
            assert!(seen.insert(message.body().unwrap().to_owned()), "{message:?} came twice");
            g.remove(queue, &message).await;
        }
    }
    assert_eq!(seen.len(), 400);
}

async fn identity(
    credentials: Credentials,
) -> aws_sdk_sts::operation::get_caller_identity::GetCallerIdentityOutput {
    let sts = aws_sdk_sts::Client::new(&load(Some(credentials)).await);
    sts.get_caller_identity().send().await.unwrap()
}

#[tokio::test]
async fn caller_identity() {
    for (id, account) in [("test", ACCOUNT), ("123456789012", "123456789012")] {
        let told = identity(key(id, "test")).await;
        assert_eq!(told.account(), Some(account));
        assert_eq!(told.arn(), Some(&*format!("arn:aws:iam::{account}:root")));
    }
}

#[tokio::test]
async fn issued_key_is_verified() {
    assert_eq!(identity(issued()).await.arn(), Some(GARDENER));
    let sqs = Client::new(&load(Some(issued())).await);
    let made = sqs.create_queue().queue_name("rust-issued").send().await.unwrap();
    assert!(made.queue_url().unwrap().contains("/111122223333/"), "{made:?}");

    let secret = format!("x{}", &issued().secret_access_key()[1..]);
    let wrong = load(Some(key(issued().access_key_id(), &secret))).await;
    let refused = failed(aws_sdk_sts::Client::new(&wrong).get_caller_identity().send().await, 403);
    assert_eq!(refused.code(), Some("SignatureDoesNotMatch"));
    let refused = failed(Client::new(&wrong).list_queues().send().await, 403);
    assert!(refused.code().is_some());
}

/// Status and body of a GET.
fn get(url: &str) -> (u16, String) {
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut connection = std::net::TcpStream::connect(host).unwrap();
    write!(connection, "GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    let mut reply = String::new();
    connection.read_to_string(&mut reply).unwrap();
    (reply[9..12].parse().unwrap(), reply)
}

#[test]
fn presigned_caller_identity() {
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(Duration::from_secs(60));
    let identity = issued().into();
    let parameters = aws_sigv4::sign::v4::SigningParams::builder()
        .identity(&identity)
        .region("us-east-1")
        .name("sts")
        .time(SystemTime::now())
        .settings(settings)
        .build()
        .unwrap()
        .into();
    let endpoint = variable("AWS_ENDPOINT_URL");
    let url = format!("{endpoint}/?Action=GetCallerIdentity&Version=2011-06-15");
    let request = SignableRequest::new("GET", &url, std::iter::empty(), SignableBody::Bytes(&[])).unwrap();
    let (instructions, _) = sign(request, &parameters).unwrap().into_parts();
    let mut signed = http::Request::builder().uri(&url).body(()).unwrap();
    instructions.apply_to_request_http1x(&mut signed);
    let url = signed.uri().to_string();

    let (status, reply) = get(&url);
    assert_eq!(status, 200, "{reply}");
    assert!(reply.contains(&format!("<Arn>{GARDENER}</Arn>")), "{reply}");

    // One more parameter, and the signature is of another request.
    let (status, reply) = get(&format!("{url}&More=1"));
    assert_eq!(status, 403, "{reply}");
    assert!(reply.contains("SignatureDoesNotMatch"), "{reply}");
}
