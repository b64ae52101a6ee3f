// DynamoDB through the AWS SDK for Go v2, its attribute values and its expression builder.
package sdks

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	ddbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
)

type line struct {
	Name  string  `dynamodbav:"name"`
	Price float64 `dynamodbav:"price"`
}

type order struct {
	Customer string         `dynamodbav:"pk"`
	Number   int            `dynamodbav:"sk"`
	State    string         `dynamodbav:"state,omitempty"`
	Bytes    []byte         `dynamodbav:"bytes,omitempty"`
	Tags     []string       `dynamodbav:"tags,stringset,omitempty"`
	Lines    []line         `dynamodbav:"lines,omitempty"`
	Extra    map[string]any `dynamodbav:"extra,omitempty"`
	Count    int            `dynamodbav:"count"`
}

func (o order) key() map[string]ddbtypes.AttributeValue {
	return map[string]ddbtypes.AttributeValue{
		"pk": &ddbtypes.AttributeValueMemberS{Value: o.Customer},
		"sk": &ddbtypes.AttributeValueMemberN{Value: fmt.Sprint(o.Number)},
	}
}

func (o order) item(t *testing.T) map[string]ddbtypes.AttributeValue {
	t.Helper()
	item, err := attributevalue.MarshalMap(o)
	must(t, err)
	return item
}

// The client and a table of its own, with an index.
func ddbTable(t *testing.T) (*dynamodb.Client, *string) {
	t.Helper()
	c, name := dynamodb.NewFromConfig(load(t)), aws.String(strings.ReplaceAll("go-"+t.Name(), "/", "-"))
	key := func(name string, kind ddbtypes.KeyType) ddbtypes.KeySchemaElement {
		return ddbtypes.KeySchemaElement{AttributeName: aws.String(name), KeyType: kind}
	}
	is := func(name string, kind ddbtypes.ScalarAttributeType) ddbtypes.AttributeDefinition {
		return ddbtypes.AttributeDefinition{AttributeName: aws.String(name), AttributeType: kind}
	}
	_, err := c.CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName: name, BillingMode: ddbtypes.BillingModePayPerRequest,
		AttributeDefinitions: []ddbtypes.AttributeDefinition{is("pk", "S"), is("sk", "N"), is("state", "S")},
		KeySchema:            []ddbtypes.KeySchemaElement{key("pk", "HASH"), key("sk", "RANGE")},
		GlobalSecondaryIndexes: []ddbtypes.GlobalSecondaryIndex{{
			IndexName: aws.String("states"), KeySchema: []ddbtypes.KeySchemaElement{key("state", "HASH"), key("sk", "RANGE")},
			Projection: &ddbtypes.Projection{ProjectionType: ddbtypes.ProjectionTypeAll},
		}},
	})
	must(t, err)
	waiter := dynamodb.NewTableExistsWaiter(c, func(o *dynamodb.TableExistsWaiterOptions) { o.MinDelay = 50 * time.Millisecond })
	must(t, waiter.Wait(t.Context(), &dynamodb.DescribeTableInput{TableName: name}, time.Minute))
	return c, name
}

func ddbPut(t *testing.T, c *dynamodb.Client, table *string, orders ...order) {
	t.Helper()
	for _, one := range orders {
		_, err := c.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: table, Item: one.item(t)})
		must(t, err)
	}
}

func ddbGet(t *testing.T, c *dynamodb.Client, table *string, key order) (found bool, one order) {
	t.Helper()
	got, err := c.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: table, Key: key.key(), ConsistentRead: aws.Bool(true)})
	must(t, err)
	must(t, attributevalue.UnmarshalMap(got.Item, &one))
	return got.Item != nil, one
}

func TestDynamoItems(t *testing.T) {
	c, table := ddbTable(t)
	want := order{Customer: "雲庭", Number: 7, State: "open", Bytes: []byte{0, 255}, Tags: []string{"a", "b"},
		Lines: []line{{"x", 1.5}, {"y", -1e-7}}, Extra: map[string]any{"none": nil, "yes": true, "list": []any{"1", 2.0}}}
	ddbPut(t, c, table, want)
	found, got := ddbGet(t, c, table, want)
	slices.Sort(got.Tags)
	if !found || !reflect.DeepEqual(got, want) {
		t.Fatalf("got %+v, want %+v", got, want)
	}
	found, _ = ddbGet(t, c, table, order{Customer: "none"})
	equal(t, "a missing item", found, false)
	old, err := c.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: table, Key: want.key(), ReturnValues: ddbtypes.ReturnValueAllOld,
		ReturnConsumedCapacity: ddbtypes.ReturnConsumedCapacityTotal})
	must(t, err)
	equal(t, "attributes of the deleted", len(old.Attributes), 8)
	equal(t, "capacity", *old.ConsumedCapacity.CapacityUnits, 2)
}

func TestDynamoUpdatesAndConditions(t *testing.T) {
	c, table := ddbTable(t)
	one := order{Customer: "u", Number: 1, State: "open"}
	ddbPut(t, c, table, one)
	built, err := expression.NewBuilder().
		WithUpdate(expression.Add(expression.Name("count"), expression.Value(2)).Set(expression.Name("state"), expression.Value("paid"))).
		WithCondition(expression.Name("state").Equal(expression.Value("open")).And(expression.Name("lines").AttributeNotExists())).Build()
	must(t, err)
	update := &dynamodb.UpdateItemInput{TableName: table, Key: one.key(), UpdateExpression: built.Update(), ConditionExpression: built.Condition(),
		ExpressionAttributeNames: built.Names(), ExpressionAttributeValues: built.Values(), ReturnValues: ddbtypes.ReturnValueAllNew,
		ReturnValuesOnConditionCheckFailure: ddbtypes.ReturnValuesOnConditionCheckFailureAllOld}
	out, err := c.UpdateItem(t.Context(), update)
	must(t, err)
	must(t, attributevalue.UnmarshalMap(out.Attributes, &one))
	equal(t, "count", one.Count, 2)
	_, err = c.UpdateItem(t.Context(), update)
	failure := fails[*ddbtypes.ConditionalCheckFailedException](t, err, 400)
	equal(t, "message", failure.ErrorMessage(), "The conditional request failed")
	must(t, attributevalue.UnmarshalMap(failure.Item, &one))
	equal(t, "what stood there", one.State, "paid")
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for range 25 {
				_, err := c.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{TableName: table, Key: one.key(),
					UpdateExpression:          aws.String("ADD hits :one"),
					ExpressionAttributeValues: map[string]ddbtypes.AttributeValue{":one": &ddbtypes.AttributeValueMemberN{Value: "1"}}})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	got, err := c.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: table, Key: one.key()})
	must(t, err)
	equal(t, "hits", got.Item["hits"].(*ddbtypes.AttributeValueMemberN).Value, "200")
}

func TestDynamoQueriesAndPages(t *testing.T) {
	c, table := ddbTable(t)
	for from := 0; from < 50; from += 25 {
		var writes []ddbtypes.WriteRequest
		for n := from; n < from+25; n++ {
			one := order{Customer: fmt.Sprint("c", n%2), Number: n, State: []string{"open", "late", "paid"}[n%3]}
			writes = append(writes, ddbtypes.WriteRequest{PutRequest: &ddbtypes.PutRequest{Item: one.item(t)}})
		}
		out, err := c.BatchWriteItem(t.Context(), &dynamodb.BatchWriteItemInput{RequestItems: map[string][]ddbtypes.WriteRequest{*table: writes}})
		must(t, err)
		equal(t, "unprocessed", len(out.UnprocessedItems), 0)
	}
	built, err := expression.NewBuilder().
		WithKeyCondition(expression.Key("pk").Equal(expression.Value("c0")).And(expression.Key("sk").Between(expression.Value(10), expression.Value(30)))).
		WithFilter(expression.Name("state").NotEqual(expression.Value("paid"))).WithProjection(expression.NamesList(expression.Name("sk"))).Build()
	must(t, err)
	pages := dynamodb.NewQueryPaginator(c, &dynamodb.QueryInput{TableName: table, KeyConditionExpression: built.KeyCondition(),
		FilterExpression: built.Filter(), ProjectionExpression: built.Projection(), ExpressionAttributeNames: built.Names(),
		ExpressionAttributeValues: built.Values(), ScanIndexForward: aws.Bool(false), Limit: aws.Int32(4)})
	var numbers []int
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		must(t, err)
		for _, item := range page.Items {
			var one order
			must(t, attributevalue.UnmarshalMap(item, &one))
			numbers = append(numbers, one.Number)
		}
	}
	equal(t, "numbers", fmt.Sprint(numbers), "[30 28 24 22 18 16 12 10]")
	late, err := c.Query(t.Context(), &dynamodb.QueryInput{TableName: table, IndexName: aws.String("states"), Select: ddbtypes.SelectCount,
		KeyConditionExpression: aws.String("#s = :s"), ExpressionAttributeNames: map[string]string{"#s": "state"},
		ExpressionAttributeValues: map[string]ddbtypes.AttributeValue{":s": &ddbtypes.AttributeValueMemberS{Value: "late"}}})
	must(t, err)
	equal(t, "late", late.Count, 17)
	var scanned int32
	for segment := range int32(3) {
		scan := dynamodb.NewScanPaginator(c, &dynamodb.ScanInput{TableName: table, Segment: &segment, TotalSegments: aws.Int32(3), Limit: aws.Int32(7)})
		for scan.HasMorePages() {
			page, err := scan.NextPage(t.Context())
			must(t, err)
			scanned += page.Count
		}
	}
	equal(t, "scanned", scanned, 50)
	got, err := c.BatchGetItem(t.Context(), &dynamodb.BatchGetItemInput{RequestItems: map[string]ddbtypes.KeysAndAttributes{
		*table: {Keys: []map[string]ddbtypes.AttributeValue{order{Customer: "c0", Number: 2}.key(), order{Customer: "none"}.key()}}}})
	must(t, err)
	equal(t, "batch", len(got.Responses[*table]), 1)
}

func TestDynamoTransactions(t *testing.T) {
	c, table := ddbTable(t)
	put := func(number int) ddbtypes.TransactWriteItem {
		return ddbtypes.TransactWriteItem{Put: &ddbtypes.Put{TableName: table, Item: order{Customer: "t", Number: number}.item(t),
			ConditionExpression: aws.String("attribute_not_exists(pk)")}}
	}
	write := func(items ...ddbtypes.TransactWriteItem) error {
		_, err := c.TransactWriteItems(t.Context(), &dynamodb.TransactWriteItemsInput{TransactItems: items})
		return err
	}
	must(t, write(put(1), put(2)))
	canceled := fails[*ddbtypes.TransactionCanceledException](t, write(put(3), put(1)), 400)
	var codes []string
	for _, reason := range canceled.CancellationReasons {
		codes = append(codes, aws.ToString(reason.Code))
	}
	equal(t, "reasons", fmt.Sprint(codes), "[None ConditionalCheckFailed]")
	found, _ := ddbGet(t, c, table, order{Customer: "t", Number: 3})
	equal(t, "rolled back", found, false)
	got, err := c.TransactGetItems(t.Context(), &dynamodb.TransactGetItemsInput{TransactItems: []ddbtypes.TransactGetItem{
		{Get: &ddbtypes.Get{TableName: table, Key: order{Customer: "t", Number: 2}.key()}},
		{Get: &ddbtypes.Get{TableName: table, Key: order{Customer: "none"}.key()}}}})
	must(t, err)
	equal(t, "got", len(got.Responses[0].Item), 3)
	equal(t, "missing", len(got.Responses[1].Item), 0)
}

func TestDynamoErrorsAndTables(t *testing.T) {
	c, table := ddbTable(t)
	_, err := c.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: aws.String("no-such-table"), Key: order{}.key()})
	fails[*ddbtypes.ResourceNotFoundException](t, err, 400)
	_, err = c.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: table, Key: map[string]ddbtypes.AttributeValue{
		"pk": &ddbtypes.AttributeValueMemberS{Value: "a"}}})
	invalid := fails[*smithy.GenericAPIError](t, err, 400)
	equal(t, "code", invalid.Code, "ValidationException")
	equal(t, "message", invalid.Message, "The provided key element does not match the schema")
	var names []string
	pages := dynamodb.NewListTablesPaginator(c, &dynamodb.ListTablesInput{Limit: aws.Int32(1)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		must(t, err)
		names = append(names, page.TableNames...)
	}
	equal(t, "listed", slices.Contains(names, *table), true)
	_, err = c.DeleteTable(t.Context(), &dynamodb.DeleteTableInput{TableName: table})
	must(t, err)
	waiter := dynamodb.NewTableNotExistsWaiter(c, func(o *dynamodb.TableNotExistsWaiterOptions) { o.MinDelay = 50 * time.Millisecond })
	must(t, waiter.Wait(t.Context(), &dynamodb.DescribeTableInput{TableName: table}, time.Minute))
}
