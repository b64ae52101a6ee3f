package kumoniwa;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInfo;
import org.junit.jupiter.api.function.Executable;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.awscore.exception.AwsServiceException;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.http.SdkHttpMethod;
import software.amazon.awssdk.http.SdkHttpRequest;
import software.amazon.awssdk.http.auth.aws.signer.AwsV4FamilyHttpSigner.AuthLocation;
import software.amazon.awssdk.http.auth.aws.signer.AwsV4HttpSigner;
import software.amazon.awssdk.services.sqs.SqsClient;
import software.amazon.awssdk.services.sqs.model.BatchEntryIdsNotDistinctException;
import software.amazon.awssdk.services.sqs.model.EmptyBatchRequestException;
import software.amazon.awssdk.services.sqs.model.InvalidAttributeNameException;
import software.amazon.awssdk.services.sqs.model.InvalidAttributeValueException;
import software.amazon.awssdk.services.sqs.model.InvalidBatchEntryIdException;
import software.amazon.awssdk.services.sqs.model.ListDeadLetterSourceQueuesResponse;
import software.amazon.awssdk.services.sqs.model.ListQueuesResponse;
import software.amazon.awssdk.services.sqs.model.Message;
import software.amazon.awssdk.services.sqs.model.MessageAttributeValue;
import software.amazon.awssdk.services.sqs.model.MessageSystemAttributeName;
import software.amazon.awssdk.services.sqs.model.MessageSystemAttributeNameForSends;
import software.amazon.awssdk.services.sqs.model.MessageSystemAttributeValue;
import software.amazon.awssdk.services.sqs.model.PurgeQueueInProgressException;
import software.amazon.awssdk.services.sqs.model.QueueAttributeName;
import software.amazon.awssdk.services.sqs.model.QueueDoesNotExistException;
import software.amazon.awssdk.services.sqs.model.QueueNameExistsException;
import software.amazon.awssdk.services.sqs.model.ReceiptHandleIsInvalidException;
import software.amazon.awssdk.services.sqs.model.ReceiveMessageResponse;
import software.amazon.awssdk.services.sqs.model.ResourceNotFoundException;
import software.amazon.awssdk.services.sqs.model.SendMessageBatchRequestEntry;
import software.amazon.awssdk.services.sqs.model.SendMessageResponse;
import software.amazon.awssdk.services.sqs.model.SqsException;
import software.amazon.awssdk.services.sqs.model.TooManyEntriesInBatchRequestException;
import software.amazon.awssdk.services.sts.StsClient;
import software.amazon.awssdk.services.sts.model.StsException;

/** The AWS SDK for Java v2 against the endpoint of the environment. test/sdks/run.py starts the program and sets it. */
class SdkTest {
    private static final String ACCOUNT = "000000000000";

    /** What an application does: everything comes from the environment. */
    private final SqsClient sqs = SqsClient.create();

    private String name;

    @BeforeEach
    void nameQueue(TestInfo test) {
        name = "java-" + test.getTestMethod().orElseThrow().getName();
    }

    private String make(Map<QueueAttributeName, String> attributes) {
        return make(attributes.containsKey(QueueAttributeName.FIFO_QUEUE) ? name + ".fifo" : name, attributes);
    }

    private String make(String called, Map<QueueAttributeName, String> attributes) {
        return sqs.createQueue(r -> r.queueName(called).attributes(attributes)).queueUrl();
    }

    private SendMessageResponse send(String queue, String body) {
        return sqs.sendMessage(r -> r.queueUrl(queue).messageBody(body));
    }

    private List<Message> receive(String queue, int wait) {
        return sqs.receiveMessage(r -> r.queueUrl(queue).maxNumberOfMessages(10).waitTimeSeconds(wait)
                .messageAttributeNames("All").messageSystemAttributeNames(MessageSystemAttributeName.ALL)).messages();
    }

    private Message receiveOne(String queue) {
        List<Message> got = receive(queue, 10);
        assertEquals(1, got.size(), "messages");
        return got.get(0);
    }

    private void receiveNone(String queue) {
        assertEquals(List.of(), receive(queue, 0));
    }

    private void remove(String queue, Message message) {
        sqs.deleteMessage(r -> r.queueUrl(queue).receiptHandle(message.receiptHandle()));
    }

    private void changeVisibility(String queue, String handle, int seconds) {
        sqs.changeMessageVisibility(r -> r.queueUrl(queue).receiptHandle(handle).visibilityTimeout(seconds));
    }

    private String attribute(String queue, QueueAttributeName attribute) {
        String value = sqs.getQueueAttributes(r -> r.queueUrl(queue).attributeNames(attribute)).attributes().get(attribute);
        assertNotNull(value, attribute.toString());
        return value;
    }

    private static String redrivePolicy(String arn, int count) {
        return "{\"deadLetterTargetArn\":\"" + arn + "\",\"maxReceiveCount\":" + count + "}";
    }

    /** The exception is the SDK's own class for it, and of a response with this status and a request id. */
    private static <E extends AwsServiceException> E fails(Class<E> type, int status, Executable call) {
        E exception = assertThrows(type, call);
        assertEquals(status, exception.statusCode(), exception.toString());
        assertNotNull(exception.requestId());
        return exception;
    }

    private static void failsWith(String code, int status, Executable call) {
        AwsServiceException exception = fails(AwsServiceException.class, status, call);
        assertEquals(code, exception.awsErrorDetails().errorCode());
    }

    @Test
    void createStandardQueue() {
        Map<QueueAttributeName, String> attributes = Map.of(QueueAttributeName.VISIBILITY_TIMEOUT, "45");
        String queue = make(attributes);
        assertTrue(queue.endsWith("/" + ACCOUNT + "/" + name), queue);
        assertEquals(queue, make(attributes));
        fails(QueueNameExistsException.class, 400, () -> make(Map.of(QueueAttributeName.VISIBILITY_TIMEOUT, "46")));
        assertEquals(queue, sqs.getQueueUrl(r -> r.queueName(name)).queueUrl());
        assertEquals(queue, sqs.getQueueUrl(r -> r.queueName(name).queueOwnerAWSAccountId(ACCOUNT)).queueUrl());
    }

    private Message take(String queue) {
        List<Message> got = sqs.receiveMessage(r -> r.queueUrl(queue).maxNumberOfMessages(1)
                .messageSystemAttributeNames(MessageSystemAttributeName.ALL)).messages();
        return got.isEmpty() ? null : got.get(0);
    }

    private SendMessageResponse put(String queue, String group, String body) {
        return sqs.sendMessage(r -> r.queueUrl(queue).messageBody(body).messageGroupId(group));
    }

    @Test
    void fifoQueue() {
        String queue = make(Map.of(QueueAttributeName.FIFO_QUEUE, "true", QueueAttributeName.CONTENT_BASED_DEDUPLICATION, "true"));
        SendMessageResponse first = put(queue, "a", "a1");
        SendMessageResponse again = put(queue, "a", "a1");
        assertEquals(first.messageId(), again.messageId());
        assertEquals(first.sequenceNumber(), again.sequenceNumber());
        assertTrue(put(queue, "a", "a2").sequenceNumber().compareTo(first.sequenceNumber()) > 0);
        put(queue, "b", "b1");

        // While a1 is in flight, group a is closed and b is not.
        Message a1 = take(queue);
        assertEquals("a1", a1.body());
        assertEquals("a", a1.attributes().get(MessageSystemAttributeName.MESSAGE_GROUP_ID));
        assertEquals(first.sequenceNumber(), a1.attributes().get(MessageSystemAttributeName.SEQUENCE_NUMBER));
        assertEquals("b1", take(queue).body());
        assertEquals(null, take(queue));
        remove(queue, a1);
        assertEquals("a2", take(queue).body());
        failsWith("MissingParameter", 400, () -> send(queue, "no group"));
    }

    /** The SDK computes the MD5 of body and attributes by itself and refuses a reply that differs. */
    @Test
    void messageAttributes() {
        String queue = make(Map.of());
        byte[] bytes = new byte[256];
        for (int i = 0; i < bytes.length; i++) {
            bytes[i] = (byte) i;
        }
        Map<String, MessageAttributeValue> attributes = Map.of(
                "text", MessageAttributeValue.builder().dataType("String").stringValue("ä\t\"<&> 雲庭").build(),
                "number", MessageAttributeValue.builder().dataType("Number.int").stringValue("42").build(),
                "bytes", MessageAttributeValue.builder().dataType("Binary.all").binaryValue(SdkBytes.fromByteArray(bytes)).build());
        String trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
        SendMessageResponse sent = sqs.sendMessage(r -> r.queueUrl(queue).messageBody("こんにちは").messageAttributes(attributes)
                .messageSystemAttributes(Map.of(MessageSystemAttributeNameForSends.AWS_TRACE_HEADER,
                        MessageSystemAttributeValue.builder().dataType("String").stringValue(trace).build())));
        assertNotNull(sent.md5OfMessageSystemAttributes());
        Message got = receiveOne(queue);
        assertEquals(sent.messageId(), got.messageId());
        assertEquals("こんにちは", got.body());
        assertEquals(attributes, got.messageAttributes());
        assertEquals(sent.md5OfMessageAttributes(), got.md5OfMessageAttributes());
        assertEquals(trace, got.attributes().get(MessageSystemAttributeName.AWS_TRACE_HEADER));
        assertEquals("1", got.attributes().get(MessageSystemAttributeName.APPROXIMATE_RECEIVE_COUNT));
    }

    @Test
    void largeMessage() {
        String queue = make(Map.of());
        String body = "x".repeat(1 << 20);
        send(queue, body);
        assertEquals(body, receiveOne(queue).body());
        failsWith("InvalidParameterValue", 400, () -> send(queue, body + "x"));
    }

    @Test
    void batchesWithPartialFailure() {
        String queue = make(Map.of());
        MessageAttributeValue value = MessageAttributeValue.builder().dataType("String").stringValue("v").build();
        var sent = sqs.sendMessageBatch(r -> r.queueUrl(queue).entries(
                e -> e.id("good").messageBody("x"),
                e -> e.id("late").messageBody("y").delaySeconds(9999),
                e -> e.id("also").messageBody("z").messageAttributes(Map.of("k", value))));
        assertTrue(sent.hasSuccessful() && sent.successful().size() == 2, sent.toString());
        assertEquals(1, sent.failed().size());
        assertEquals("late", sent.failed().get(0).id());
        assertEquals("InvalidParameterValue", sent.failed().get(0).code());
        assertTrue(sent.failed().get(0).senderFault());

        List<Message> got = new ArrayList<>();
        while (got.size() < 2) {
            List<Message> more = receive(queue, 5);
            assertFalse(more.isEmpty());
            got.addAll(more);
        }
        var changed = sqs.changeMessageVisibilityBatch(r -> r.queueUrl(queue).entries(
                e -> e.id("good").receiptHandle(got.get(0).receiptHandle()).visibilityTimeout(60),
                e -> e.id("bad").receiptHandle("nonsense").visibilityTimeout(60)));
        assertEquals(1, changed.successful().size());
        assertEquals("ReceiptHandleIsInvalid", changed.failed().get(0).code());
        var deleted = sqs.deleteMessageBatch(r -> r.queueUrl(queue).entries(
                e -> e.id("a").receiptHandle(got.get(0).receiptHandle()),
                e -> e.id("b").receiptHandle("nonsense"),
                e -> e.id("c").receiptHandle(got.get(1).receiptHandle())));
        assertEquals(2, deleted.successful().size());
        assertEquals("b", deleted.failed().get(0).id());
        assertEquals("0", attribute(queue, QueueAttributeName.APPROXIMATE_NUMBER_OF_MESSAGES_NOT_VISIBLE));
    }

    private void sendBatch(String queue, List<String> ids) {
        sqs.sendMessageBatch(r -> r.queueUrl(queue).entries(ids.stream()
                .map(id -> SendMessageBatchRequestEntry.builder().id(id).messageBody("x").build()).toList()));
    }

    @Test
    void batchErrorsAreTyped() {
        String queue = make(Map.of());
        List<String> eleven = IntStream.range(0, 11).mapToObj(Integer::toString).toList();
        fails(EmptyBatchRequestException.class, 400, () -> sendBatch(queue, List.of()));
        fails(BatchEntryIdsNotDistinctException.class, 400, () -> sendBatch(queue, List.of("a", "a")));
        fails(TooManyEntriesInBatchRequestException.class, 400, () -> sendBatch(queue, eleven));
        fails(InvalidBatchEntryIdException.class, 400, () -> sendBatch(queue, List.of("not allowed!")));
    }

    @Test
    void longPollWakes() throws Exception {
        String queue = make(Map.of());
        long begin = System.nanoTime();
        CompletableFuture<ReceiveMessageResponse> received = CompletableFuture.supplyAsync(
                () -> sqs.receiveMessage(r -> r.queueUrl(queue).waitTimeSeconds(20)));
        Thread.sleep(500);
        send(queue, "wake up");
        List<Message> got = received.get(15, TimeUnit.SECONDS).messages();
        long took = (System.nanoTime() - begin) / 1_000_000;
        assertEquals(1, got.size());
        assertEquals("wake up", got.get(0).body());
        assertTrue(took >= 500 && took < 10_000, took + " ms");
    }

    @Test
    void longPollEndsEmpty() {
        String queue = make(Map.of());
        long begin = System.nanoTime();
        assertEquals(List.of(), receive(queue, 1));
        assertTrue(System.nanoTime() - begin > 900_000_000L);
    }

    @Test
    void changeVisibility() {
        String queue = make(Map.of());
        send(queue, "again");
        Message first = receiveOne(queue);
        receiveNone(queue);
        changeVisibility(queue, first.receiptHandle(), 0);
        Message second = receiveOne(queue);
        assertEquals(first.messageId(), second.messageId());
        assertEquals("2", second.attributes().get(MessageSystemAttributeName.APPROXIMATE_RECEIVE_COUNT));
        failsWith("InvalidParameterValue", 400, () -> changeVisibility(queue, second.receiptHandle(), 43201));
        fails(ReceiptHandleIsInvalidException.class, 404, () -> changeVisibility(queue, "nonsense", 1));
    }

    @Test
    void deleteMessage() {
        String queue = make(Map.of());
        send(queue, "gone soon");
        Message got = receiveOne(queue);
        remove(queue, got);
        remove(queue, got);
        assertEquals("0", attribute(queue, QueueAttributeName.APPROXIMATE_NUMBER_OF_MESSAGES));
        assertEquals("0", attribute(queue, QueueAttributeName.APPROXIMATE_NUMBER_OF_MESSAGES_NOT_VISIBLE));
        fails(ReceiptHandleIsInvalidException.class, 404,
                () -> sqs.deleteMessage(r -> r.queueUrl(queue).receiptHandle("nonsense")));
    }

    @Test
    void delay() {
        String queue = make(Map.of(QueueAttributeName.DELAY_SECONDS, "1"));
        long begin = System.nanoTime();
        send(queue, "later");
        receiveNone(queue);
        assertEquals("1", attribute(queue, QueueAttributeName.APPROXIMATE_NUMBER_OF_MESSAGES_DELAYED));
        receiveOne(queue);
        assertTrue(System.nanoTime() - begin > 900_000_000L);
    }

    @Test
    void queueAttributes() {
        String queue = make(Map.of());
        assertEquals("arn:aws:sqs:us-east-1:" + ACCOUNT + ":" + name, attribute(queue, QueueAttributeName.QUEUE_ARN));
        sqs.setQueueAttributes(r -> r.queueUrl(queue).attributes(Map.of(QueueAttributeName.VISIBILITY_TIMEOUT, "77",
                QueueAttributeName.MESSAGE_RETENTION_PERIOD, "3600")));
        var all = sqs.getQueueAttributes(r -> r.queueUrl(queue).attributeNames(QueueAttributeName.ALL)).attributes();
        assertEquals("77", all.get(QueueAttributeName.VISIBILITY_TIMEOUT));
        assertEquals("3600", all.get(QueueAttributeName.MESSAGE_RETENTION_PERIOD));
        assertEquals("true", all.get(QueueAttributeName.SQS_MANAGED_SSE_ENABLED));
        assertFalse(all.containsKey(QueueAttributeName.UNKNOWN_TO_SDK_VERSION), all.toString());
        fails(InvalidAttributeValueException.class, 400, () -> sqs.setQueueAttributes(
                r -> r.queueUrl(queue).attributes(Map.of(QueueAttributeName.VISIBILITY_TIMEOUT, "-1"))));
        fails(InvalidAttributeNameException.class, 400,
                () -> sqs.getQueueAttributes(r -> r.queueUrl(queue).attributeNamesWithStrings("NotAnAttribute")));
    }

    @Test
    void tags() {
        String queue = sqs.createQueue(r -> r.queueName(name).tags(Map.of("made", "with", "空", "雲"))).queueUrl();
        sqs.tagQueue(r -> r.queueUrl(queue).tags(Map.of("made", "anew", "team", "garden")));
        sqs.untagQueue(r -> r.queueUrl(queue).tagKeys("team", "none"));
        assertEquals(Map.of("made", "anew", "空", "雲"), sqs.listQueueTags(r -> r.queueUrl(queue)).tags());
    }

    @Test
    void paging() {
        String dead = make("dead-" + name, Map.of());
        String policy = redrivePolicy(attribute(dead, QueueAttributeName.QUEUE_ARN), 3);
        List<String> made = IntStream.range(0, 7)
                .mapToObj(i -> make(name + "-" + i, Map.of(QueueAttributeName.REDRIVE_POLICY, policy))).toList();
        List<Integer> sizes = new ArrayList<>();
        List<String> found = new ArrayList<>();
        for (ListQueuesResponse page : sqs.listQueuesPaginator(r -> r.queueNamePrefix(name + "-").maxResults(3))) {
            sizes.add(page.queueUrls().size());
            found.addAll(page.queueUrls());
        }
        assertEquals(List.of(3, 3, 1), sizes);
        assertEquals(made, found.stream().sorted().toList());
        found.clear();
        for (ListDeadLetterSourceQueuesResponse page
                : sqs.listDeadLetterSourceQueuesPaginator(r -> r.queueUrl(dead).maxResults(2))) {
            found.addAll(page.queueUrls());
        }
        assertEquals(made, found.stream().sorted().toList());
    }

    @Test
    void deadLetterQueueAndRedrive() {
        String dead = make(name + "-dead", Map.of());
        String arn = attribute(dead, QueueAttributeName.QUEUE_ARN);
        String queue = make(Map.of(QueueAttributeName.REDRIVE_POLICY, redrivePolicy(arn, 2),
                QueueAttributeName.VISIBILITY_TIMEOUT, "0"));
        SendMessageResponse sent = send(queue, "poison");
        receiveOne(queue);
        receiveOne(queue);
        receiveNone(queue);
        Message got = receiveOne(dead);
        assertEquals(sent.messageId(), got.messageId());
        assertEquals(attribute(queue, QueueAttributeName.QUEUE_ARN),
                got.attributes().get(MessageSystemAttributeName.DEAD_LETTER_QUEUE_SOURCE_ARN));
        changeVisibility(dead, got.receiptHandle(), 0);
        assertNotNull(sqs.startMessageMoveTask(r -> r.sourceArn(arn)).taskHandle());
        assertEquals("poison", receiveOne(queue).body());
        var told = sqs.listMessageMoveTasks(r -> r.sourceArn(arn)).results();
        assertEquals(1, told.size());
        assertEquals(arn, told.get(0).sourceArn());
        fails(ResourceNotFoundException.class, 404, () -> sqs.startMessageMoveTask(r -> r.sourceArn(arn + "-none")));
    }

    /** Only the path of a queue URL counts: whatever made it, and through whatever host. */
    @Test
    void queueUrlForms() {
        make(Map.of());
        String path = "/" + ACCOUNT + "/" + name;
        List<String> forms = List.of(
                System.getenv("AWS_ENDPOINT_URL") + path,
                "https://sqs.us-east-1.amazonaws.com" + path,
                "https://us-east-1.queue.amazonaws.com" + path,
                "https://queue.amazonaws.com" + path,
                "http://sqs.us-east-1.localhost.localstack.cloud:4566" + path,
                "http://localhost:4566" + path,
                "http://localhost:4566/queue/us-east-1" + path);
        for (String form : forms) {
            send(form, form);
            Message got = receiveOne(form);
            assertEquals(form, got.body());
            remove(form, got);
        }
    }

    @Test
    void missingQueueIsTyped() {
        QueueDoesNotExistException missing =
                fails(QueueDoesNotExistException.class, 400, () -> sqs.getQueueUrl(r -> r.queueName(name)));
        assertEquals("The specified queue does not exist.", missing.awsErrorDetails().errorMessage());
        assertEquals("AWS.SimpleQueueService.NonExistentQueue", missing.awsErrorDetails().errorCode());
        String queue = make(Map.of());
        sqs.deleteQueue(r -> r.queueUrl(queue));
        fails(QueueDoesNotExistException.class, 400, () -> receive(queue, 0));
    }

    @Test
    void purge() {
        String queue = make(Map.of());
        for (int i = 0; i < 3; i++) {
            send(queue, "message " + i);
        }
        sqs.purgeQueue(r -> r.queueUrl(queue));
        receiveNone(queue);
        fails(PurgeQueueInProgressException.class, 403, () -> sqs.purgeQueue(r -> r.queueUrl(queue)));
    }

    @Test
    void permissions() {
        String queue = make(Map.of());
        sqs.addPermission(r -> r.queueUrl(queue).label("label").awsAccountIds("111122223333").actions("SendMessage"));
        assertTrue(attribute(queue, QueueAttributeName.POLICY).contains("\"label\""));
        sqs.removePermission(r -> r.queueUrl(queue).label("label"));
    }

    @Test
    void manyAtOnce() throws Exception {
        String queue = make(Map.of());
        var threads = Executors.newFixedThreadPool(16);
        List<Future<?>> running = new ArrayList<>();
        for (int i = 0; i < 400; i++) {
            String body = "message " + i;
            running.add(threads.submit(() -> send(queue, body)));
        }
        for (Future<?> one : running) {
            one.get(30, TimeUnit.SECONDS);
        }
        threads.shutdown();
        Set<String> seen = new HashSet<>();
        List<Message> got;
        while (!(got = receive(queue, 0)).isEmpty()) {
            for (Message message : got) {
                assertTrue(seen.add(message.body()), message.body());
                remove(queue, message);
            }
        }
        assertEquals(400, seen.size());
    }

    private static StaticCredentialsProvider key(String id, String secret) {
        return StaticCredentialsProvider.create(AwsBasicCredentials.create(id, secret));
    }

    private static final String ISSUED_KEY = System.getenv("KUMONIWA_ISSUED_KEY");
    private static final String ISSUED_SECRET = System.getenv("KUMONIWA_ISSUED_SECRET");
    private static final String ISSUED_ARN = "arn:aws:iam::111122223333:user/gardener";

    @Test
    void callerIdentity() {
        Map<String, String> accounts = new HashMap<>(Map.of("test", ACCOUNT, "123456789012", "123456789012"));
        accounts.forEach((id, account) -> {
            try (StsClient sts = StsClient.builder().credentialsProvider(key(id, "test")).build()) {
                var identity = sts.getCallerIdentity();
                assertEquals(account, identity.account());
                assertEquals("arn:aws:iam::" + account + ":root", identity.arn());
            }
        });
    }

    @Test
    void issuedKeyIsVerified() {
        try (StsClient sts = StsClient.builder().credentialsProvider(key(ISSUED_KEY, ISSUED_SECRET)).build();
                SqsClient own = SqsClient.builder().credentialsProvider(key(ISSUED_KEY, ISSUED_SECRET)).build()) {
            assertEquals(ISSUED_ARN, sts.getCallerIdentity().arn());
            String queue = own.createQueue(r -> r.queueName(name)).queueUrl();
            assertTrue(queue.contains("/111122223333/"), queue);
        }
        var wrong = key(ISSUED_KEY, "x" + ISSUED_SECRET.substring(1));
        try (StsClient sts = StsClient.builder().credentialsProvider(wrong).build();
                SqsClient own = SqsClient.builder().credentialsProvider(wrong).build()) {
            StsException refused = fails(StsException.class, 403, sts::getCallerIdentity);
            assertEquals("SignatureDoesNotMatch", refused.awsErrorDetails().errorCode());
            fails(SqsException.class, 403, own::listQueues);
        }
    }

    private static HttpResponse<String> get(String url) throws Exception {
        return HttpClient.newHttpClient().send(HttpRequest.newBuilder(URI.create(url)).build(),
                HttpResponse.BodyHandlers.ofString());
    }

    @Test
    void presignedCallerIdentity() throws Exception {
        SdkHttpRequest request = SdkHttpRequest.builder().method(SdkHttpMethod.GET)
                .uri(URI.create(System.getenv("AWS_ENDPOINT_URL") + "/"))
                .putRawQueryParameter("Action", "GetCallerIdentity").putRawQueryParameter("Version", "2011-06-15").build();
        String url = AwsV4HttpSigner.create().sign(r -> r.identity(AwsBasicCredentials.create(ISSUED_KEY, ISSUED_SECRET))
                .request(request)
                .putProperty(AwsV4HttpSigner.SERVICE_SIGNING_NAME, "sts")
                .putProperty(AwsV4HttpSigner.REGION_NAME, "us-east-1")
                .putProperty(AwsV4HttpSigner.AUTH_LOCATION, AuthLocation.QUERY_STRING)
                .putProperty(AwsV4HttpSigner.EXPIRATION_DURATION, Duration.ofMinutes(1))).request().getUri().toString();
        HttpResponse<String> reply = get(url);
        assertEquals(200, reply.statusCode(), reply.body());
        assertTrue(reply.body().contains("<Arn>" + ISSUED_ARN + "</Arn>"), reply.body());

        // One more parameter, and the signature is of another request.
        HttpResponse<String> refused = get(url + "&More=1");
        assertEquals(403, refused.statusCode(), refused.body());
        assertTrue(refused.body().contains("SignatureDoesNotMatch"), refused.body());
    }
}
