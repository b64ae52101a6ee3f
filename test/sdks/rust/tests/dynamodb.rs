//! DynamoDB through the AWS SDK for Rust. test/sdks/run.py starts the program and sets the endpoint.

use aws_config::BehaviorVersion;
use aws_sdk_dynamodb::client::Waiters;
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, ConditionCheck, GlobalSecondaryIndex, KeySchemaElement, KeyType,
    KeysAndAttributes, Projection, ProjectionType, Put, PutRequest, ReturnValue, ReturnValuesOnConditionCheckFailure,
    ScalarAttributeType, Select, TransactWriteItem, WriteRequest,
};
use aws_sdk_dynamodb::Client;
use std::collections::HashMap;
use std::time::Duration;

type Item = HashMap<String, AttributeValue>;

fn s(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_string())
}

fn n(number: impl ToString) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

fn key(customer: &str, number: i32) -> Item {
    HashMap::from([("pk".to_string(), s(customer)), ("sk".to_string(), n(number))])
}

fn order(customer: &str, number: i32, state: &str) -> Item {
    let mut item = key(customer, number);
    item.insert("state".to_string(), s(state));
    item
}

fn schema(name: &str, kind: KeyType) -> KeySchemaElement {
    KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap()
}

/// The client and a table of its own, with an index.
async fn table(test: &str) -> (Client, String) {
    let shared = aws_config::defaults(BehaviorVersion::latest())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .load()
        .await;
    let (ddb, name) = (Client::new(&shared), format!("rust-{test}"));
    let mut create = ddb.create_table().table_name(&name).billing_mode(BillingMode::PayPerRequest);
    for (attribute, kind) in
        [("pk", ScalarAttributeType::S), ("sk", ScalarAttributeType::N), ("state", ScalarAttributeType::S)]
    {
        let definition = AttributeDefinition::builder().attribute_name(attribute).attribute_type(kind);
        create = create.attribute_definitions(definition.build().unwrap());
    }
    let index = GlobalSecondaryIndex::builder()
        .index_name("states")
        .key_schema(schema("state", KeyType::Hash))
        .projection(Projection::builder().projection_type(ProjectionType::All).build())
        .build()
        .unwrap();
    create
        .key_schema(schema("pk", KeyType::Hash))
        .key_schema(schema("sk", KeyType::Range))
        .global_secondary_indexes(index)
        .send()
        .await
        .unwrap();
    ddb.wait_until_table_exists().table_name(&name).wait(Duration::from_secs(60)).await.unwrap();
    (ddb, name)
}

#[tokio::test]
async fn dynamodb_items() {
    let (ddb, table) = table("items").await;
    let mut item = order("雲庭", 7, "open");
    item.insert("bytes".into(), AttributeValue::B(Blob::new([0, 255])));
    item.insert("tags".into(), AttributeValue::Ss(vec!["a".into(), "b".into()]));
    item.insert("lines".into(), AttributeValue::L(vec![AttributeValue::M(order("x", 1, "")), AttributeValue::Null(true)]));
    item.insert("yes".into(), AttributeValue::Bool(true));
    item.insert("small".into(), n("-0.0000001"));
    ddb.put_item().table_name(&table).set_item(Some(item.clone())).send().await.unwrap();
    let got = ddb.get_item().table_name(&table).set_key(Some(key("雲庭", 7))).consistent_read(true).send().await.unwrap();
    assert_eq!(got.item(), Some(&item));
    let none = ddb.get_item().table_name(&table).set_key(Some(key("none", 1))).send().await.unwrap();
    assert!(none.item().is_none());
    let delete = ddb.delete_item().table_name(&table).set_key(Some(key("雲庭", 7)));
    let old = delete.return_values(ReturnValue::AllOld).send().await.unwrap();
    assert_eq!(old.attributes(), Some(&item));
}

#[tokio::test]
async fn dynamodb_updates_and_conditions() {
    let (ddb, table) = table("updates").await;
    ddb.put_item().table_name(&table).set_item(Some(order("u", 1, "open"))).send().await.unwrap();
    let update = || {
        ddb.update_item()
            .table_name(&table)
            .set_key(Some(key("u", 1)))
            .update_expression("SET #s = :paid ADD hits :two")
            .condition_expression("#s = :open")
            .expression_attribute_names("#s", "state")
            .expression_attribute_values(":paid", s("paid"))
            .expression_attribute_values(":open", s("open"))
            .expression_attribute_values(":two", n(2))
            .return_values(ReturnValue::UpdatedNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
    };
    let out = update().await.unwrap();
    assert_eq!(out.attributes().unwrap()["hits"], n(2));
    let failure = update().await.unwrap_err().into_service_error();
    assert_eq!(failure.message(), Some("The conditional request failed"));
    let aws_sdk_dynamodb::operation::update_item::UpdateItemError::ConditionalCheckFailedException(failed) = failure else {
        panic!("{failure:?}");
    };
    assert_eq!(failed.item().unwrap()["state"], s("paid"));
    let many = (0..8).map(|_| {
        let (ddb, table) = (ddb.clone(), table.clone());
        tokio::spawn(async move {
            for _ in 0..25 {
                let add = ddb.update_item().table_name(&table).set_key(Some(key("u", 1)));
                add.update_expression("ADD hits :one").expression_attribute_values(":one", n(1)).send().await.unwrap();
            }
        })
    });
    for task in many.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    let got = ddb.get_item().table_name(&table).set_key(Some(key("u", 1))).send().await.unwrap();
    assert_eq!(got.item().unwrap()["hits"], n(202));
}

#[tokio::test]
async fn dynamodb_queries_and_pages() {
    let (ddb, table) = table("queries").await;
    for from in [0, 25] {
        let writes = (from..from + 25).map(|i| {
            let item = order(&format!("c{}", i % 2), i, ["open", "late", "paid"][i as usize % 3]);
            WriteRequest::builder().put_request(PutRequest::builder().set_item(Some(item)).build().unwrap()).build()
        });
        let out = ddb.batch_write_item().request_items(&table, writes.collect()).send().await.unwrap();
        assert!(out.unprocessed_items().unwrap().is_empty());
    }
    let mut pages = ddb
        .query()
        .table_name(&table)
        .key_condition_expression("pk = :p AND sk BETWEEN :a AND :b")
        .filter_expression("#s <> :paid")
        .expression_attribute_names("#s", "state")
        .expression_attribute_values(":p", s("c0"))
        .expression_attribute_values(":a", n(10))
        .expression_attribute_values(":b", n(30))
        .expression_attribute_values(":paid", s("paid"))
        .scan_index_forward(false)
        .limit(4)
        .into_paginator()
        .items()
        .send();
    let mut numbers = Vec::new();
    while let Some(item) = pages.next().await {
        numbers.push(item.unwrap()["sk"].as_n().unwrap().parse::<i32>().unwrap());
    }
    assert_eq!(numbers, [30, 28, 24, 22, 18, 16, 12, 10]);
    let late = ddb.query().table_name(&table).index_name("states").select(Select::Count);
    let late = late.key_condition_expression("#s = :s").expression_attribute_names("#s", "state");
    assert_eq!(late.expression_attribute_values(":s", s("late")).send().await.unwrap().count(), 17);
    let mut scanned = 0;
    for segment in 0..3 {
        let scan = ddb.scan().table_name(&table).segment(segment).total_segments(3).limit(7);
        let mut pages = scan.into_paginator().send();
        while let Some(page) = pages.next().await {
            scanned += page.unwrap().count();
        }
    }
    assert_eq!(scanned, 50);
    let keys = KeysAndAttributes::builder().keys(key("c0", 2)).keys(key("none", 0)).build().unwrap();
    let got = ddb.batch_get_item().request_items(&table, keys).send().await.unwrap();
    assert_eq!(got.responses().unwrap()[&table].len(), 1);
}

#[tokio::test]
async fn dynamodb_transactions() {
    let (ddb, table) = table("transactions").await;
    let put = |number| {
        let put = Put::builder().table_name(&table).set_item(Some(key("t", number)));
        let put = put.condition_expression("attribute_not_exists(pk)").build().unwrap();
        TransactWriteItem::builder().put(put).build()
    };
    ddb.transact_write_items().transact_items(put(1)).transact_items(put(2)).send().await.unwrap();
    let check = ConditionCheck::builder().table_name(&table).set_key(Some(key("none", 1)));
    let check = check.condition_expression("attribute_exists(pk)").build().unwrap();
    let check = TransactWriteItem::builder().condition_check(check).build();
    let canceled = ddb.transact_write_items().transact_items(put(3)).transact_items(put(1)).transact_items(check).send().await;
    let canceled = canceled.unwrap_err().into_service_error();
    let aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError::TransactionCanceledException(canceled) =
        canceled
    else {
        panic!("{canceled:?}");
    };
    let codes: Vec<_> = canceled.cancellation_reasons().iter().map(|reason| reason.code().unwrap()).collect();
    assert_eq!(codes, ["None", "ConditionalCheckFailed", "ConditionalCheckFailed"]);
    let none = ddb.get_item().table_name(&table).set_key(Some(key("t", 3))).send().await.unwrap();
    assert!(none.item().is_none());
}

#[tokio::test]
async fn dynamodb_errors_and_tables() {
    let (ddb, table) = table("errors").await;
    let none = ddb.get_item().table_name("no-such-table").set_key(Some(key("a", 1))).send().await.unwrap_err();
    assert!(none.into_service_error().is_resource_not_found_exception());
    let invalid = ddb.get_item().table_name(&table).key("pk", s("a")).send().await.unwrap_err().into_service_error();
    assert_eq!(invalid.code(), Some("ValidationException"));
    assert_eq!(invalid.message(), Some("The provided key element does not match the schema"));
    let mut names = ddb.list_tables().limit(1).into_paginator().items().send();
    let mut listed = false;
    while let Some(name) = names.next().await {
        listed |= name.unwrap() == table;
    }
    assert!(listed);
    ddb.delete_table().table_name(&table).send().await.unwrap();
    ddb.wait_until_table_not_exists().table_name(&table).wait(Duration::from_secs(60)).await.unwrap();
}
