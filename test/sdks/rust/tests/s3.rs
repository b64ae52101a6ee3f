//! S3 through the AWS SDK for Rust. test/sdks/run.py starts the program and sets the endpoint.

use aws_config::BehaviorVersion;
use aws_credential_types::Credentials;
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    ChecksumAlgorithm, ChecksumMode, CompletedMultipartUpload, CompletedPart, Delete, ObjectIdentifier,
};
use aws_sdk_s3::Client;
use std::io::{Read, Write};
use std::time::Duration;

const MIB: usize = 1 << 20;

async fn client(credentials: Option<Credentials>) -> Client {
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(aws_smithy_http_client::Builder::new().build_http());
    if let Some(credentials) = credentials {
        loader = loader.credentials_provider(credentials);
    }
    let shared = loader.load().await;
    Client::from_conf(aws_sdk_s3::config::Builder::from(&shared).force_path_style(true).build())
}

async fn garden(test: &str) -> (Client, String) {
    let (s3, bucket) = (client(None).await, format!("rust-{test}"));
    s3.create_bucket().bucket(&bucket).send().await.unwrap();
    (s3, bucket)
}

fn sample(size: usize) -> Vec<u8> {
    (0..size).map(|i| (i % 251) as u8).collect()
}

async fn get(s3: &Client, bucket: &str, key: &str) -> Vec<u8> {
    let got = s3.get_object().bucket(bucket).key(key).checksum_mode(ChecksumMode::Enabled).send().await.unwrap();
    got.body.collect().await.unwrap().into_bytes().to_vec()
}

#[tokio::test]
async fn s3_objects() {
    let (s3, bucket) = garden("objects").await;
    let body = sample(100_000);
    let key = "dir/ü +&?.txt";
    let request = s3.put_object().bucket(&bucket).key(key).content_type("text/x").metadata("a", "b");
    let put = request.body(ByteStream::from(body.clone())).send().await.unwrap();
    assert_eq!(put.e_tag().unwrap().len(), 34);
    assert_eq!(get(&s3, &bucket, key).await, body);
    let head = s3.head_object().bucket(&bucket).key(key).send().await.unwrap();
    assert_eq!((head.content_type(), head.content_length()), (Some("text/x"), Some(100_000)));
    assert_eq!(head.metadata().unwrap()["a"], "b");
    let part = s3.get_object().bucket(&bucket).key(key).range("bytes=5-9").send().await.unwrap();
    assert_eq!(part.body.collect().await.unwrap().into_bytes(), &body[5..10]);
    let source = format!("{bucket}/dir/%C3%BC%20%2B%26%3F.txt");
    s3.copy_object().bucket(&bucket).key("copy").copy_source(source).send().await.unwrap();
    assert_eq!(get(&s3, &bucket, "copy").await, body);
    for algorithm in [
        ChecksumAlgorithm::Crc32,
        ChecksumAlgorithm::Crc32C,
        ChecksumAlgorithm::Crc64Nvme,
        ChecksumAlgorithm::Sha1,
        ChecksumAlgorithm::Sha256,
    ] {
        let request = s3.put_object().bucket(&bucket).key("sum").checksum_algorithm(algorithm);
        request.body(ByteStream::from(body.clone())).send().await.unwrap();
        assert_eq!(get(&s3, &bucket, "sum").await, body);
    }
}

#[tokio::test]
async fn s3_errors() {
    let (s3, bucket) = garden("errors").await;
    let none = s3.get_object().bucket(&bucket).key("none").send().await.unwrap_err();
    assert!(none.into_service_error().is_no_such_key());
    let none = s3.head_object().bucket(&bucket).key("none").send().await.unwrap_err();
    assert!(none.into_service_error().is_not_found());
    let none = s3.list_objects_v2().bucket("no-such-bucket-anywhere").send().await.unwrap_err();
    assert!(none.into_service_error().is_no_such_bucket());
    s3.put_object().bucket(&bucket).key("k").send().await.unwrap();
    let again = s3.put_object().bucket(&bucket).key("k").if_none_match("*").send().await.unwrap_err();
    assert_eq!(again.raw_response().unwrap().status().as_u16(), 412);
    assert_eq!(again.code(), Some("PreconditionFailed"));
    let full = s3.delete_bucket().bucket(&bucket).send().await.unwrap_err();
    assert_eq!(full.code(), Some("BucketNotEmpty"));
}

#[tokio::test]
async fn s3_multipart() {
    let (s3, bucket) = garden("multipart").await;
    let body = sample(13 * MIB + 7);
    let made = s3.create_multipart_upload().bucket(&bucket).key("large").send().await.unwrap();
    let upload = made.upload_id().unwrap();
    let mut done = CompletedMultipartUpload::builder();
    for (at, piece) in body.chunks(5 * MIB).enumerate() {
        let number = at as i32 + 1;
        let request = s3.upload_part().bucket(&bucket).key("large").upload_id(upload).part_number(number);
        let part = request.body(ByteStream::from(piece.to_vec())).send().await.unwrap();
        let part = CompletedPart::builder().part_number(number).set_e_tag(part.e_tag).set_checksum_crc32(part.checksum_crc32);
        done = done.parts(part.build());
    }
    let request = s3.complete_multipart_upload().bucket(&bucket).key("large").upload_id(upload);
    let whole = request.multipart_upload(done.build()).send().await.unwrap();
    assert!(whole.e_tag().unwrap().ends_with("-3\""));
    assert_eq!(get(&s3, &bucket, "large").await, body);
}

#[tokio::test]
async fn s3_listing() {
    let (s3, bucket) = garden("listing").await;
    let mut all = Delete::builder();
    for i in 0..25 {
        let key = format!("d{}/{i:02}", i % 3);
        s3.put_object().bucket(&bucket).key(&key).body(ByteStream::from_static(b"x")).send().await.unwrap();
        all = all.objects(ObjectIdentifier::builder().key(key).build().unwrap());
    }
    let mut keys = Vec::new();
    let mut pages = s3.list_objects_v2().bucket(&bucket).max_keys(10).into_paginator().send();
    while let Some(page) = pages.next().await {
        keys.extend(page.unwrap().contents().iter().map(|object| object.key().unwrap().to_owned()));
    }
    assert_eq!(keys.len(), 25);
    assert!(keys.is_sorted());
    let folders = s3.list_objects_v2().bucket(&bucket).delimiter("/").send().await.unwrap();
    assert_eq!(folders.common_prefixes().len(), 3);
    let gone = s3.delete_objects().bucket(&bucket).delete(all.build().unwrap()).send().await.unwrap();
    assert_eq!(gone.deleted().len(), 25);
    s3.delete_bucket().bucket(&bucket).send().await.unwrap();
}

/// One request over a plain socket: an SDK has no part in how a presigned URL is used.
fn fetch(method: &str, url: &str, body: &str) -> String {
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut socket = std::net::TcpStream::connect(host).unwrap();
    let length = body.len();
    write!(socket, "{method} /{path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}").unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer
}

#[tokio::test]
async fn s3_presigned() {
    let id = std::env::var("KUMONIWA_ISSUED_KEY").unwrap();
    let secret = std::env::var("KUMONIWA_ISSUED_SECRET").unwrap();
    let s3 = client(Some(Credentials::new(id, secret, None, None, "test"))).await;
    let bucket = "rust-presigned";
    s3.create_bucket().bucket(bucket).send().await.unwrap();
    let minute = PresigningConfig::expires_in(Duration::from_secs(60)).unwrap();
    let put = s3.put_object().bucket(bucket).key("a b").presigned(minute.clone()).await.unwrap();
    assert!(fetch("PUT", put.uri(), "hello").starts_with("HTTP/1.1 200"));
    let url = s3.get_object().bucket(bucket).key("a b").presigned(minute).await.unwrap();
    assert!(fetch("GET", url.uri(), "").ends_with("hello"));
    let wrong = fetch("GET", &url.uri().replace("a%20b", "b"), "");
    assert!(wrong.starts_with("HTTP/1.1 403") && wrong.contains("SignatureDoesNotMatch"), "{wrong}");
}

/// AWS itself serves this one no more.
#[tokio::test]
async fn unimplemented_says_so() {
    let (s3, bucket) = garden("unimplemented").await;
    let told = s3.get_object_torrent().bucket(bucket).key("none").send().await.unwrap_err();
    assert_eq!(told.raw_response().unwrap().status().as_u16(), 501);
    assert_eq!(told.code(), Some("NotImplemented"));
    assert!(told.message().unwrap().contains("GetObjectTorrent"), "{told:?}");
}
