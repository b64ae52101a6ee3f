// The AWS SDK for Go v2 against the endpoint of the environment. test/sdks/run.py starts the program and sets it.
package sdks

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
)

const account = "000000000000"

// What an application does: everything comes from the environment.
func load(t *testing.T, options ...func(*config.LoadOptions) error) aws.Config {
	t.Helper()
	loaded, err := config.LoadDefaultConfig(t.Context(), options...)
	must(t, err)
	return loaded
}

func client(t *testing.T) *sqs.Client {
	t.Helper()
	return sqs.NewFromConfig(load(t))
}

func with(key, secret string) func(*config.LoadOptions) error {
	return config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider(key, secret, ""))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

// The error must be of the SDK's own type for it, E, in an HTTP response with this status.
func fails[E error](t *testing.T, err error, status int) E {
	t.Helper()
	var typed E
	if !errors.As(err, &typed) {
		t.Fatalf("got %v, want a %T", err, typed)
	}
	var response *awshttp.ResponseError
	if !errors.As(err, &response) {
		t.Fatalf("no response in %v", err)
	}
	equal(t, "status", response.HTTPStatusCode(), status)
	if response.ServiceRequestID() == "" {
		t.Fatal("no request id")
	}
	return typed
}

func failsWith(t *testing.T, err error, code string, status int) smithy.APIError {
	t.Helper()
	typed := fails[smithy.APIError](t, err, status)
	equal(t, "code", typed.ErrorCode(), code)
	return typed
}

func queueName(t *testing.T) string {
	return "go-" + t.Name()
}

func makeQueue(t *testing.T, c *sqs.Client, attributes map[string]string) string {
	t.Helper()
	name := queueName(t)
	if attributes["FifoQueue"] == "true" {
		name += ".fifo"
	}
	return makeNamed(t, c, name, attributes)
}

func makeNamed(t *testing.T, c *sqs.Client, name string, attributes map[string]string) string {
	t.Helper()
	made, err := c.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
	must(t, err)
	return *made.QueueUrl
}

func send(t *testing.T, c *sqs.Client, queue, body string) *sqs.SendMessageOutput {
	t.Helper()
	sent, err := c.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &queue, MessageBody: &body})
	must(t, err)
	return sent
}

func receive(t *testing.T, c *sqs.Client, queue string, wait int32) []types.Message {
	t.Helper()
	got, err := c.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{
		QueueUrl: &queue, MaxNumberOfMessages: 10, WaitTimeSeconds: wait,
		MessageAttributeNames:       []string{"All"},
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll},
	})
	must(t, err)
	return got.Messages
}

func receiveOne(t *testing.T, c *sqs.Client, queue string) types.Message {
	t.Helper()
	got := receive(t, c, queue, 10)
	if len(got) != 1 {
		t.Fatalf("got %d messages, want 1", len(got))
	}
	return got[0]
}

func receiveNone(t *testing.T, c *sqs.Client, queue string) {
	t.Helper()
	if got := receive(t, c, queue, 0); len(got) != 0 {
		t.Fatalf("got %q, want nothing", *got[0].Body)
	}
}

func remove(t *testing.T, c *sqs.Client, queue string, message types.Message) {
	t.Helper()
	_, err := c.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: &queue, ReceiptHandle: message.ReceiptHandle})
	must(t, err)
}

func attribute(t *testing.T, c *sqs.Client, queue string, name types.QueueAttributeName) string {
	t.Helper()
	got, err := c.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{
		QueueUrl: &queue, AttributeNames: []types.QueueAttributeName{name},
	})
	must(t, err)
	value, found := got.Attributes[string(name)]
	if !found {
		t.Fatalf("no attribute %s", name)
	}
	return value
}

func redrivePolicy(t *testing.T, arn string, count int) string {
	t.Helper()
	text, err := json.Marshal(map[string]any{"deadLetterTargetArn": arn, "maxReceiveCount": count})
	must(t, err)
	return string(text)
}

func TestCreateStandardQueue(t *testing.T) {
	c := client(t)
	name := queueName(t)
	queue := makeQueue(t, c, map[string]string{"VisibilityTimeout": "45"})
	if !strings.HasSuffix(queue, "/"+account+"/"+name) {
		t.Fatalf("queue URL %s", queue)
	}
	equal(t, "queue URL of the second time", makeQueue(t, c, map[string]string{"VisibilityTimeout": "45"}), queue)
	_, err := c.CreateQueue(t.Context(), &sqs.CreateQueueInput{
		QueueName: &name, Attributes: map[string]string{"VisibilityTimeout": "46"},
	})
	fails[*types.QueueNameExists](t, err, 400)
	found, err := c.GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: &name})
	must(t, err)
	equal(t, "queue URL", *found.QueueUrl, queue)
	found, err = c.GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{
		QueueName: &name, QueueOwnerAWSAccountId: aws.String(account),
	})
	must(t, err)
	equal(t, "queue URL by owner", *found.QueueUrl, queue)
}

func TestFifoQueue(t *testing.T) {
	c := client(t)
	queue := makeQueue(t, c, map[string]string{"FifoQueue": "true", "ContentBasedDeduplication": "true"})
	put := func(group, body string) *sqs.SendMessageOutput {
		sent, err := c.SendMessage(t.Context(), &sqs.SendMessageInput{
			QueueUrl: &queue, MessageBody: &body, MessageGroupId: &group,
		})
		must(t, err)
		return sent
	}
	first := put("a", "a1")
	again := put("a", "a1")
	equal(t, "message id of the duplicate", *again.MessageId, *first.MessageId)
	equal(t, "sequence number of the duplicate", *again.SequenceNumber, *first.SequenceNumber)
	if second := put("a", "a2"); *second.SequenceNumber <= *first.SequenceNumber {
		t.Fatalf("sequence numbers %s, %s", *first.SequenceNumber, *second.SequenceNumber)
	}
	put("b", "b1")

	// One at a time: while a1 is in flight, group a is closed and b is not.
	take := func() []types.Message {
		got, err := c.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{
			QueueUrl: &queue, MaxNumberOfMessages: 1,
			MessageSystemAttributeNames: []types.MessageSystemAttributeName{"All"},
		})
		must(t, err)
		return got.Messages
	}
	a1 := take()
	equal(t, "first", *a1[0].Body, "a1")
	equal(t, "group", a1[0].Attributes["MessageGroupId"], "a")
	equal(t, "sequence number", a1[0].Attributes["SequenceNumber"], *first.SequenceNumber)
	b1 := take()
	equal(t, "second", *b1[0].Body, "b1")
	if rest := take(); len(rest) != 0 {
		t.Fatalf("got %q while its group is in flight", *rest[0].Body)
	}
	remove(t, c, queue, a1[0])
	a2 := take()
	equal(t, "third", *a2[0].Body, "a2")

	_, err := c.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &queue, MessageBody: aws.String("no group")})
	failsWith(t, err, "MissingParameter", 400)
}

// The SDK computes the MD5 of body and attributes by itself and refuses a reply that differs.
func TestMessageAttributes(t *testing.T) {
	c := client(t)
	queue := makeQueue(t, c, nil)
	bytesOfAll := make([]byte, 256)
	for i := range bytesOfAll {
		bytesOfAll[i] = byte(i)
	}
	attributes := map[string]types.MessageAttributeValue{
		"text":   {DataType: aws.String("String"), StringValue: aws.String("ä\t\"<&> 雲庭")},
		"number": {DataType: aws.String("Number.int"), StringValue: aws.String("42")},
		"bytes":  {DataType: aws.String("Binary.all"), BinaryValue: bytesOfAll},
	}
	trace := "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
	sent, err := c.SendMessage(t.Context(), &sqs.SendMessageInput{
		QueueUrl: &queue, MessageBody: aws.String("こんにちは"), MessageAttributes: attributes,
		MessageSystemAttributes: map[string]types.MessageSystemAttributeValue{
			"AWSTraceHeader": {DataType: aws.String("String"), StringValue: &trace},
		},
	})
	must(t, err)
	if sent.MD5OfMessageAttributes == nil || sent.MD5OfMessageSystemAttributes == nil {
		t.Fatal("a digest is missing")
	}
	got := receiveOne(t, c, queue)
	equal(t, "message id", *got.MessageId, *sent.MessageId)
	equal(t, "body", *got.Body, "こんにちは")
	equal(t, "digest of attributes", *got.MD5OfMessageAttributes, *sent.MD5OfMessageAttributes)
	equal(t, "trace header", got.Attributes["AWSTraceHeader"], trace)
	equal(t, "receive count", got.Attributes["ApproximateReceiveCount"], "1")
	equal(t, "number of attributes", len(got.MessageAttributes), 3)
	for name, want := range attributes {
		value := got.MessageAttributes[name]
		equal(t, name, *value.DataType, *want.DataType)
		equal(t, name, aws.ToString(value.StringValue), aws.ToString(want.StringValue))
		if !bytes.Equal(value.BinaryValue, want.BinaryValue) {
			t.Fatalf("%s: %x", name, value.BinaryValue)
		}
	}
}

func TestLargeMessage(t *testing.T) {
	c := client(t)
	queue := makeQueue(t, c, nil)
	body := strings.Repeat("x", 1<<20)
	// Waited for before it is there. A reply that comes while the SDK's goroutine is still at the end of writing the
	// request's body makes smithy-go 1.28.8 break the connection itself: it closes the body as soon as the reply's head is
	// there, and a closed body's WriteTo answers io.EOF, which the transport takes for a failed write. A busy machine is
	// enough for that; who reads a long reply then reads from a closed connection.
	received := make(chan *sqs.ReceiveMessageOutput, 1)
	go func() {
		got, err := c.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &queue, WaitTimeSeconds: 20})
		if err != nil {
			t.Error(err)
		}
		received <- got
	}()
	time.Sleep(300 * time.Millisecond)
	send(t, c, queue, body)
	got := <-received
	if t.Failed() || len(got.Messages) != 1 {
		t.Fatal("it did not come")
	}
	equal(t, "length", len(*got.Messages[0].Body), len(body))
	body += "x"
	_, err := c.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &queue, MessageBody: &body})
	failsWith(t, err, "InvalidParameterValue", 400)
}

func TestBatchesWithPartialFailure(t *testing.T) {
	c := client(t)
	queue := makeQueue(t, c, nil)
	sent, err := c.SendMessageBatch(t.Context(), &sqs.SendMessageBatchInput{
		QueueUrl: &queue,
		Entries: []types.SendMessageBatchRequestEntry{
			{Id: aws.String("good"), MessageBody: aws.String("x")},
			{Id: aws.String("late"), MessageBody: aws.String("y"), DelaySeconds: 9999},
			{Id: aws.String("also"), MessageBody: aws.String("z"), MessageAttributes: map[string]types.MessageAttributeValue{
				"k": {DataType: aws.String("String"), StringValue: aws.String("v")},
			}},
		},
	})
	must(t, err)
	equal(t, "successful", len(sent.Successful), 2)
	equal(t, "failed", len(sent.Failed), 1)
	equal(t, "failed id", *sent.Failed[0].Id, "late")
	equal(t, "failed code", *sent.Failed[0].Code, "InvalidParameterValue")
	equal(t, "sender's fault", sent.Failed[0].SenderFault, true)

	var got []types.Message
	for len(got) < 2 {
		more := receive(t, c, queue, 5)
		if len(more) == 0 {
			t.Fatalf("got %d messages, want 2", len(got))
		}
		got = append(got, more...)
	}
	changed, err := c.ChangeMessageVisibilityBatch(t.Context(), &sqs.ChangeMessageVisibilityBatchInput{
		QueueUrl: &queue,
		Entries: []types.ChangeMessageVisibilityBatchRequestEntry{
			{Id: aws.String("good"), ReceiptHandle: got[0].ReceiptHandle, VisibilityTimeout: 60},
			{Id: aws.String("bad"), ReceiptHandle: aws.String("nonsense"), VisibilityTimeout: 60},
		},
	})
	must(t, err)
	equal(t, "changed", len(changed.Successful), 1)
	equal(t, "not changed", *changed.Failed[0].Code, "ReceiptHandleIsInvalid")
	deleted, err := c.DeleteMessageBatch(t.Context(), &sqs.DeleteMessageBatchInput{
		QueueUrl: &queue,
		Entries: []types.DeleteMessageBatchRequestEntry{
			{Id: aws.String("a"), ReceiptHandle: got[0].ReceiptHandle},
			{Id: aws.String("b"), ReceiptHandle: aws.String("nonsense")},
			{Id: aws.String("c"), ReceiptHandle: got[1].ReceiptHandle},
		},
	})
	must(t, err)
	equal(t, "deleted", len(deleted.Successful), 2)
	equal(t, "not deleted", *deleted.Failed[0].Id, "b")
	equal(t, "in flight", attribute(t, c, queue, "ApproximateNumberOfMessagesNotVisible"), "0")
}

func TestBatchErrorsAreTyped(t *testing.T) {
	c := client(t)
	queue := makeQueue(t, c, nil)
	batch := func(ids ...string) error {
		entries := []types.SendMessageBatchRequestEntry{}
		for _, id := range ids {
			entries = append(entries, types.SendMessageBatchRequestEntry{Id: &id, MessageBody: aws.String("x")})
		}
		_, err := c.SendMessageBatch(t.Context(), &sqs.SendMessageBatchInput{QueueUrl: &queue, Entries: entries})
		return err
	}
	fails[*types.EmptyBatchRequest](t, batch(), 400)
	fails[*types.BatchEntryIdsNotDistinct](t, batch("a", "a"), 400)
	fails[*types.TooManyEntriesInBatchRequest](t, batch(strings.Split("abcdefghijk", "")...), 400)
	fails[*types.InvalidBatchEntryId](t, batch("not allowed!"), 400)
}

func TestLongPollWakes(t *testing.T) {
	c := client(t)
	queue := makeQueue(t, c, nil)
	type result struct {
		messages []types.Message
		err      error
	}
	received := make(chan result, 1)
	begin := time.Now()
	go func() {
		got, err := c.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &queue, WaitTimeSeconds: 20})
		if err != nil {
			received <- result{err: err}
			return
		}
		received <- result{messages: got.Messages}
	}()
	time.Sleep(500 * time.Millisecond)
	send(t, c, queue, "wake up")
	got := <-received
	took := time.Since(begin)
	must(t, got.err)
	equal(t, "messages", len(got.messages), 1)
	equal(t, "body", *got.messages[0].Body, "wake up")
	if took < 500*time.Millisecond || took > 10*time.Second {
		t.Fatalf("the long poll took %v", took)
	}
}

func TestLongPollEndsEmpty(t *testing.T) {
	c := client(t)
	queue := makeQueue(t, c, nil)
	begin := time.Now()
	equal(t, "messages", len(receive(t, c, queue, 1)), 0)
	if took := time.Since(begin); took < 900*time.Millisecond {
		t.Fatalf("the long poll took %v", took)
	}
}

func TestChangeVisibility(t *testing.T) {
	c := client(t)
	queue := makeQueue(t, c, nil)
	send(t, c, queue, "again")
	first := receiveOne(t, c, queue)
	receiveNone(t, c, queue)
	_, err := c.ChangeMessageVisibility(t.Context(), &sqs.ChangeMessageVisibilityInput{
		QueueUrl: &queue, ReceiptHandle: first.ReceiptHandle, VisibilityTimeout: 0,
	})
	must(t, err)
	second := receiveOne(t, c, queue)
	equal(t, "message id", *second.MessageId, *first.MessageId)
	equal(t, "receive count", second.Attributes["ApproximateReceiveCount"], "2")
	_, err = c.ChangeMessageVisibility(t.Context(), &sqs.ChangeMessageVisibilityInput{
		QueueUrl: &queue, ReceiptHandle: second.ReceiptHandle, VisibilityTimeout: 43201,
	})
	failsWith(t, err, "InvalidParameterValue", 400)
	_, err = c.ChangeMessageVisibility(t.Context(), &sqs.ChangeMessageVisibilityInput{
		QueueUrl: &queue, ReceiptHandle: aws.String("nonsense"), VisibilityTimeout: 1,
	})
	fails[*types.ReceiptHandleIsInvalid](t, err, 404)
}

func TestDeleteMessage(t *testing.T) {
	c := client(t)
	queue := makeQueue(t, c, nil)
	send(t, c, queue, "gone soon")
	got := receiveOne(t, c, queue)
	remove(t, c, queue, got)
	remove(t, c, queue, got)
	equal(t, "messages", attribute(t, c, queue, "ApproximateNumberOfMessages"), "0")
	equal(t, "in flight", attribute(t, c, queue, "ApproximateNumberOfMessagesNotVisible"), "0")
	_, err := c.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: &queue, ReceiptHandle: aws.String("nonsense")})
	fails[*types.ReceiptHandleIsInvalid](t, err, 404)
}

func TestDelay(t *testing.T) {
	c := client(t)
	queue := makeQueue(t, c, map[string]string{"DelaySeconds": "1"})
	begin := time.Now()
	send(t, c, queue, "later")
	receiveNone(t, c, queue)
	equal(t, "delayed", attribute(t, c, queue, "ApproximateNumberOfMessagesDelayed"), "1")
	receiveOne(t, c, queue)
	if took := time.Since(begin); took < 900*time.Millisecond {
		t.Fatalf("it came after %v", took)
	}
}

func TestQueueAttributes(t *testing.T) {
	c := client(t)
	queue := makeQueue(t, c, nil)
	equal(t, "ARN", attribute(t, c, queue, "QueueArn"), "arn:aws:sqs:us-east-1:"+account+":"+queueName(t))
	_, err := c.SetQueueAttributes(t.Context(), &sqs.SetQueueAttributesInput{
		QueueUrl: &queue, Attributes: map[string]string{"VisibilityTimeout": "77", "MessageRetentionPeriod": "3600"},
	})
	must(t, err)
	all, err := c.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{
		QueueUrl: &queue, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll},
	})
	must(t, err)
	equal(t, "VisibilityTimeout", all.Attributes["VisibilityTimeout"], "77")
	equal(t, "MessageRetentionPeriod", all.Attributes["MessageRetentionPeriod"], "3600")
	equal(t, "SqsManagedSseEnabled", all.Attributes["SqsManagedSseEnabled"], "true")
	_, err = c.SetQueueAttributes(t.Context(), &sqs.SetQueueAttributesInput{
		QueueUrl: &queue, Attributes: map[string]string{"VisibilityTimeout": "-1"},
	})
	fails[*types.InvalidAttributeValue](t, err, 400)
	_, err = c.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{
		QueueUrl: &queue, AttributeNames: []types.QueueAttributeName{"NotAnAttribute"},
	})
	fails[*types.InvalidAttributeName](t, err, 400)
}

func TestTags(t *testing.T) {
	c := client(t)
	name := queueName(t)
	made, err := c.CreateQueue(t.Context(), &sqs.CreateQueueInput{
		QueueName: &name, Tags: map[string]string{"made": "with", "空": "雲"},
	})
	must(t, err)
	_, err = c.TagQueue(t.Context(), &sqs.TagQueueInput{
		QueueUrl: made.QueueUrl, Tags: map[string]string{"made": "anew", "team": "garden"},
	})
	must(t, err)
	_, err = c.UntagQueue(t.Context(), &sqs.UntagQueueInput{QueueUrl: made.QueueUrl, TagKeys: []string{"team", "none"}})
	must(t, err)
	got, err := c.ListQueueTags(t.Context(), &sqs.ListQueueTagsInput{QueueUrl: made.QueueUrl})
	must(t, err)
	equal(t, "tags", fmt.Sprint(got.Tags), fmt.Sprint(map[string]string{"made": "anew", "空": "雲"}))
}

func TestPaging(t *testing.T) {
	c := client(t)
	prefix := queueName(t) + "-"
	var made []string
	dead := makeNamed(t, c, "dead-"+prefix, nil)
	policy := redrivePolicy(t, attribute(t, c, dead, "QueueArn"), 3)
	for i := range 7 {
		made = append(made, makeNamed(t, c, fmt.Sprint(prefix, i), map[string]string{"RedrivePolicy": policy}))
	}
	var sizes []int
	var found []string
	queues := sqs.NewListQueuesPaginator(c, &sqs.ListQueuesInput{QueueNamePrefix: &prefix, MaxResults: aws.Int32(3)})
	for queues.HasMorePages() {
		page, err := queues.NextPage(t.Context())
		must(t, err)
		sizes = append(sizes, len(page.QueueUrls))
		found = append(found, page.QueueUrls...)
	}
	slices.Sort(found)
	equal(t, "sizes of pages", fmt.Sprint(sizes), "[3 3 1]")
	equal(t, "queues", strings.Join(found, " "), strings.Join(made, " "))

	found = nil
	sources := sqs.NewListDeadLetterSourceQueuesPaginator(c, &sqs.ListDeadLetterSourceQueuesInput{
		QueueUrl: &dead, MaxResults: aws.Int32(2),
	})
	for sources.HasMorePages() {
		page, err := sources.NextPage(t.Context())
		must(t, err)
		found = append(found, page.QueueUrls...)
	}
	slices.Sort(found)
	equal(t, "source queues", strings.Join(found, " "), strings.Join(made, " "))
}

func TestDeadLetterQueueAndRedrive(t *testing.T) {
	c := client(t)
	dead := makeNamed(t, c, queueName(t)+"-dead", nil)
	arn := attribute(t, c, dead, "QueueArn")
	queue := makeQueue(t, c, map[string]string{"RedrivePolicy": redrivePolicy(t, arn, 2), "VisibilityTimeout": "0"})
	sent := send(t, c, queue, "poison")
	receiveOne(t, c, queue)
	receiveOne(t, c, queue)
	receiveNone(t, c, queue)
	got := receiveOne(t, c, dead)
	equal(t, "message id", *got.MessageId, *sent.MessageId)
	equal(t, "where it was", got.Attributes["DeadLetterQueueSourceArn"], attribute(t, c, queue, "QueueArn"))
	_, err := c.ChangeMessageVisibility(t.Context(), &sqs.ChangeMessageVisibilityInput{
		QueueUrl: &dead, ReceiptHandle: got.ReceiptHandle, VisibilityTimeout: 0,
	})
	must(t, err)
	task, err := c.StartMessageMoveTask(t.Context(), &sqs.StartMessageMoveTaskInput{SourceArn: &arn})
	must(t, err)
	if aws.ToString(task.TaskHandle) == "" {
		t.Fatal("no task handle")
	}
	equal(t, "body", *receiveOne(t, c, queue).Body, "poison")
	told, err := c.ListMessageMoveTasks(t.Context(), &sqs.ListMessageMoveTasksInput{SourceArn: &arn})
	must(t, err)
	equal(t, "tasks", len(told.Results), 1)
	equal(t, "source", *told.Results[0].SourceArn, arn)

	none := arn + "-none"
	_, err = c.StartMessageMoveTask(t.Context(), &sqs.StartMessageMoveTaskInput{SourceArn: &none})
	fails[*types.ResourceNotFoundException](t, err, 404)
}

// Only the path of a queue URL counts: whatever made it, and through whatever host.
func TestQueueURLForms(t *testing.T) {
	c := client(t)
	makeQueue(t, c, nil)
	name := queueName(t)
	endpoint, err := url.Parse(os.Getenv("AWS_ENDPOINT_URL"))
	must(t, err)
	for i, form := range []string{
		"http://" + endpoint.Host + "/" + account + "/" + name,
		"https://sqs.us-east-1.amazonaws.com/" + account + "/" + name,
		"https://us-east-1.queue.amazonaws.com/" + account + "/" + name,
		"https://queue.amazonaws.com/" + account + "/" + name,
		"http://sqs.us-east-1.localhost.localstack.cloud:4566/" + account + "/" + name,
		"http://localhost:4566/" + account + "/" + name,
		"http://localhost:4566/queue/us-east-1/" + account + "/" + name,
	} {
		body := fmt.Sprint(i)
		send(t, c, form, body)
		got := receiveOne(t, c, form)
		equal(t, form, *got.Body, body)
		remove(t, c, form, got)
	}
}

func TestMissingQueueIsTyped(t *testing.T) {
	c := client(t)
	name := queueName(t)
	_, err := c.GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: &name})
	missing := fails[*types.QueueDoesNotExist](t, err, 400)
	equal(t, "message", missing.ErrorMessage(), "The specified queue does not exist.")
	equal(t, "code", missing.ErrorCode(), "AWS.SimpleQueueService.NonExistentQueue")
	queue := makeQueue(t, c, nil)
	_, err = c.DeleteQueue(t.Context(), &sqs.DeleteQueueInput{QueueUrl: &queue})
	must(t, err)
	_, err = c.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &queue})
	fails[*types.QueueDoesNotExist](t, err, 400)
}

func TestPurge(t *testing.T) {
	c := client(t)
	queue := makeQueue(t, c, nil)
	for i := range 3 {
		send(t, c, queue, fmt.Sprint(i))
	}
	_, err := c.PurgeQueue(t.Context(), &sqs.PurgeQueueInput{QueueUrl: &queue})
	must(t, err)
	receiveNone(t, c, queue)
	_, err = c.PurgeQueue(t.Context(), &sqs.PurgeQueueInput{QueueUrl: &queue})
	fails[*types.PurgeQueueInProgress](t, err, 403)
}

func TestPermissions(t *testing.T) {
	c := client(t)
	queue := makeQueue(t, c, nil)
	_, err := c.AddPermission(t.Context(), &sqs.AddPermissionInput{
		QueueUrl: &queue, Label: aws.String("label"), AWSAccountIds: []string{"111122223333"}, Actions: []string{"SendMessage"},
	})
	must(t, err)
	var policy struct{ Statement []struct{ Sid string } }
	must(t, json.Unmarshal([]byte(attribute(t, c, queue, "Policy")), &policy))
	equal(t, "statement", policy.Statement[0].Sid, "label")
	_, err = c.RemovePermission(t.Context(), &sqs.RemovePermissionInput{QueueUrl: &queue, Label: aws.String("label")})
	must(t, err)
}

func TestManyAtOnce(t *testing.T) {
	c := client(t)
	queue := makeQueue(t, c, nil)
	var workers sync.WaitGroup
	broken := make(chan error, 16)
	for worker := range 16 {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for i := range 25 {
				body := fmt.Sprintf("%d-%d", worker, i)
				_, err := c.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &queue, MessageBody: &body})
				if err != nil {
					broken <- err
					return
				}
			}
		}()
	}
	workers.Wait()
	select {
	case err := <-broken:
		t.Fatal(err)
	default:
	}
	seen := map[string]bool{}
	for {
		got := receive(t, c, queue, 0)
		if len(got) == 0 {
			break
		}
		for _, message := range got {
			if seen[*message.Body] {
				t.Fatalf("%s came twice", *message.Body)
			}
			seen[*message.Body] = true
			remove(t, c, queue, message)
		}
	}
	equal(t, "messages", len(seen), 16*25)
}

func TestCallerIdentity(t *testing.T) {
	for key, owner := range map[string]string{"test": account, "123456789012": "123456789012"} {
		got, err := sts.NewFromConfig(load(t, with(key, "test"))).GetCallerIdentity(t.Context(), nil)
		must(t, err)
		equal(t, "account", *got.Account, owner)
		equal(t, "ARN", *got.Arn, "arn:aws:iam::"+owner+":root")
	}
}

func issued(t *testing.T) (string, string) {
	t.Helper()
	key, secret := os.Getenv("KUMONIWA_ISSUED_KEY"), os.Getenv("KUMONIWA_ISSUED_SECRET")
	if key == "" || secret == "" {
		t.Fatal("no issued key in the environment")
	}
	return key, secret
}

func TestIssuedKeyIsVerified(t *testing.T) {
	key, secret := issued(t)
	got, err := sts.NewFromConfig(load(t, with(key, secret))).GetCallerIdentity(t.Context(), nil)
	must(t, err)
	equal(t, "ARN", *got.Arn, "arn:aws:iam::111122223333:user/gardener")
	equal(t, "account", *got.Account, "111122223333")

	wrong := with(key, "x"+secret[1:])
	_, err = sts.NewFromConfig(load(t, wrong)).GetCallerIdentity(t.Context(), nil)
	failsWith(t, err, "SignatureDoesNotMatch", 403)
	_, err = sqs.NewFromConfig(load(t, wrong)).ListQueues(t.Context(), nil)
	fails[smithy.APIError](t, err, 403)

	c := sqs.NewFromConfig(load(t, with(key, secret)))
	queue := makeQueue(t, c, nil)
	if !strings.Contains(queue, "/111122223333/") {
		t.Fatalf("queue URL %s", queue)
	}
}

func TestPresignedCallerIdentity(t *testing.T) {
	key, secret := issued(t)
	signed, err := sts.NewPresignClient(sts.NewFromConfig(load(t, with(key, secret)))).
		PresignGetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	must(t, err)
	get := func(address string) (int, []byte) {
		request, err := http.NewRequestWithContext(context.Background(), signed.Method, address, nil)
		must(t, err)
		for name, values := range signed.SignedHeader {
			if !strings.EqualFold(name, "Host") {
				request.Header[name] = values
			}
		}
		response, err := http.DefaultClient.Do(request)
		must(t, err)
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		must(t, err)
		return response.StatusCode, body
	}
	status, body := get(signed.URL)
	equal(t, "status", status, 200)
	var reply struct {
		Arn string `xml:"GetCallerIdentityResult>Arn"`
	}
	must(t, xml.Unmarshal(body, &reply))
	equal(t, "ARN", reply.Arn, "arn:aws:iam::111122223333:user/gardener")

	// One more parameter, and the signature is of another request.
	status, body = get(signed.URL + "&More=1")
	equal(t, "status", status, 403)
	if !bytes.Contains(body, []byte("SignatureDoesNotMatch")) {
		t.Fatalf("%s", body)
	}
}

func TestUnimplementedSaysSo(t *testing.T) {
	// AWS itself serves it no more.
	_, err := s3Client(t).GetObjectTorrent(t.Context(), &s3.GetObjectTorrentInput{Bucket: aws.String("none"), Key: aws.String("none")})
	told := failsWith(t, err, "NotImplemented", 501)
	if !strings.Contains(told.ErrorMessage(), "GetObjectTorrent") {
		t.Fatalf("%s", told.ErrorMessage())
	}
}
