package kumoniwa;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInfo;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.enhanced.dynamodb.DynamoDbEnhancedClient;
import software.amazon.awssdk.enhanced.dynamodb.DynamoDbTable;
import software.amazon.awssdk.enhanced.dynamodb.Expression;
import software.amazon.awssdk.enhanced.dynamodb.Key;
import software.amazon.awssdk.enhanced.dynamodb.TableSchema;
import software.amazon.awssdk.enhanced.dynamodb.extensions.annotations.DynamoDbVersionAttribute;
import software.amazon.awssdk.enhanced.dynamodb.mapper.annotations.DynamoDbBean;
import software.amazon.awssdk.enhanced.dynamodb.mapper.annotations.DynamoDbPartitionKey;
import software.amazon.awssdk.enhanced.dynamodb.mapper.annotations.DynamoDbSecondaryPartitionKey;
import software.amazon.awssdk.enhanced.dynamodb.mapper.annotations.DynamoDbSortKey;
import software.amazon.awssdk.enhanced.dynamodb.model.EnhancedGlobalSecondaryIndex;
import software.amazon.awssdk.enhanced.dynamodb.model.Page;
import software.amazon.awssdk.enhanced.dynamodb.model.QueryConditional;
import software.amazon.awssdk.enhanced.dynamodb.model.ReadBatch;
import software.amazon.awssdk.enhanced.dynamodb.model.WriteBatch;
import software.amazon.awssdk.services.dynamodb.DynamoDbClient;
import software.amazon.awssdk.services.dynamodb.model.AttributeValue;
import software.amazon.awssdk.services.dynamodb.model.CancellationReason;
import software.amazon.awssdk.services.dynamodb.model.ConditionalCheckFailedException;
import software.amazon.awssdk.services.dynamodb.model.DynamoDbException;
import software.amazon.awssdk.services.dynamodb.model.ProjectionType;
import software.amazon.awssdk.services.dynamodb.model.ResourceNotFoundException;
import software.amazon.awssdk.services.dynamodb.model.ReturnValue;
import software.amazon.awssdk.services.dynamodb.model.TransactionCanceledException;

/** DynamoDB through the AWS SDK for Java v2: its client, and the enhanced client on top of it. */
class DynamoDbTest {
    /** What the enhanced client stores. */
    @DynamoDbBean
    public static class Order {
        private String customer;
        private Integer number;
        private String state;
        private SdkBytes bytes;
        private Set<String> tags;
        private List<Map<String, Double>> lines;
        private Instant due;
        private Long version;

        @DynamoDbPartitionKey
        public String getCustomer() {
            return customer;
        }

        public void setCustomer(String value) {
            customer = value;
        }

        @DynamoDbSortKey
        public Integer getNumber() {
            return number;
        }

        public void setNumber(Integer value) {
            number = value;
        }

        @DynamoDbSecondaryPartitionKey(indexNames = "states")
        public String getState() {
            return state;
        }

        public void setState(String value) {
            state = value;
        }

        public SdkBytes getBytes() {
            return bytes;
        }

        public void setBytes(SdkBytes value) {
            bytes = value;
        }

        public Set<String> getTags() {
            return tags;
        }

        public void setTags(Set<String> value) {
            tags = value;
        }

        public List<Map<String, Double>> getLines() {
            return lines;
        }

        public void setLines(List<Map<String, Double>> value) {
            lines = value;
        }

        public Instant getDue() {
            return due;
        }

        public void setDue(Instant value) {
            due = value;
        }

        @DynamoDbVersionAttribute
        public Long getVersion() {
            return version;
        }

        public void setVersion(Long value) {
            version = value;
        }
    }

    private final DynamoDbClient ddb = DynamoDbClient.create();
    private final DynamoDbEnhancedClient enhanced = DynamoDbEnhancedClient.builder().dynamoDbClient(ddb).build();
    private String name;
    private DynamoDbTable<Order> orders;

    @BeforeEach
    void makeTable(TestInfo test) {
        name = "java-" + test.getTestMethod().orElseThrow().getName();
        orders = enhanced.table(name, TableSchema.fromBean(Order.class));
        orders.createTable(r -> r.globalSecondaryIndices(EnhancedGlobalSecondaryIndex.builder().indexName("states")
                .projection(p -> p.projectionType(ProjectionType.ALL)).build()));
        ddb.waiter().waitUntilTableExists(r -> r.tableName(name));
    }

    private static Order order(String customer, int number, String state) {
        Order made = new Order();
        made.setCustomer(customer);
        made.setNumber(number);
        made.setState(state);
        return made;
    }

    private static Key key(String customer, int number) {
        return Key.builder().partitionValue(customer).sortValue(number).build();
    }

    private static Map<String, AttributeValue> plainKey(String customer, int number) {
        return Map.of("customer", AttributeValue.fromS(customer), "number", AttributeValue.fromN("" + number));
    }

    @Test
    void items() {
        Order order = order("雲庭", 7, "open");
        order.setBytes(SdkBytes.fromByteArray(new byte[] {0, (byte) 255}));
        order.setTags(Set.of("a", "b"));
        order.setLines(List.of(Map.of("price", 1.5), Map.of("price", -1e-7)));
        order.setDue(Instant.ofEpochSecond(1795219200));
        orders.putItem(order);
        Order got = orders.getItem(r -> r.key(key("雲庭", 7)).consistentRead(true));
        assertArrayEquals(new byte[] {0, (byte) 255}, got.getBytes().asByteArray());
        assertEquals(Set.of("a", "b"), got.getTags());
        assertEquals(order.getLines(), got.getLines());
        assertEquals(order.getDue(), got.getDue());
        assertEquals(1, got.getVersion());
        assertNull(orders.getItem(key("none", 1)));
        assertEquals("open", orders.deleteItem(key("雲庭", 7)).getState());
        assertEquals(0, ddb.scan(r -> r.tableName(name)).count());
    }

    @Test
    void updatesAndConditions() {
        orders.putItem(order("u", 1, "open"));
        Order first = orders.getItem(key("u", 1));
        Order second = orders.getItem(key("u", 1));
        first.setState("paid");
        assertEquals(2, orders.updateItem(first).getVersion());
        second.setState("lost");
        assertThrows(ConditionalCheckFailedException.class, () -> orders.updateItem(second));
        Expression absent = Expression.builder().expression("attribute_not_exists(customer)").build();
        var failure = assertThrows(ConditionalCheckFailedException.class,
                () -> orders.putItem(r -> r.item(order("u", 1, "new")).conditionExpression(absent)));
        assertEquals("The conditional request failed", failure.awsErrorDetails().errorMessage());
        IntStream.range(0, 8).mapToObj(i -> CompletableFuture.runAsync(() -> {
            for (int n = 0; n < 25; n++) {
                ddb.updateItem(r -> r.tableName(name).key(plainKey("u", 1)).updateExpression("ADD hits :one")
                        .expressionAttributeValues(Map.of(":one", AttributeValue.fromN("1"))));
            }
        })).toList().forEach(CompletableFuture::join);
        var got = ddb.updateItem(r -> r.tableName(name).key(plainKey("u", 1)).returnValues(ReturnValue.UPDATED_NEW)
                .updateExpression("SET hits = hits + :one").expressionAttributeValues(Map.of(":one", AttributeValue.fromN("1"))));
        assertEquals("201", got.attributes().get("hits").n());
    }

    @Test
    void queriesAndPages() {
        // Batches have no conditions, so none that versions would add.
        DynamoDbEnhancedClient plain = DynamoDbEnhancedClient.builder().dynamoDbClient(ddb).extensions(List.of()).build();
        DynamoDbTable<Order> unversioned = plain.table(name, TableSchema.fromBean(Order.class));
        for (int from = 0; from < 50; from += 25) {
            WriteBatch.Builder<Order> batch = WriteBatch.builder(Order.class).mappedTableResource(unversioned);
            for (int n = from; n < from + 25; n++) {
                batch.addPutItem(order("c" + n % 2, n, List.of("open", "late", "paid").get(n % 3)));
            }
            var result = plain.batchWriteItem(r -> r.addWriteBatch(batch.build()));
            assertTrue(result.unprocessedPutItemsForTable(unversioned).isEmpty());
        }
        Expression unpaid = Expression.builder().expression("#s <> :paid").putExpressionName("#s", "state")
                .putExpressionValue(":paid", AttributeValue.fromS("paid")).build();
        List<Integer> numbers = new ArrayList<>();
        orders.query(r -> r.queryConditional(QueryConditional.sortBetween(key("c0", 10), key("c0", 30))).filterExpression(unpaid)
                .scanIndexForward(false).limit(4)).items().forEach(o -> numbers.add(o.getNumber()));
        assertEquals(List.of(30, 28, 24, 22, 18, 16, 12, 10), numbers);
        int late = 0;
        for (Page<Order> page : orders.index("states").query(QueryConditional.keyEqualTo(k -> k.partitionValue("late")))) {
            late += page.items().size();
        }
        assertEquals(17, late);
        int scanned = 0;
        for (int segment = 0; segment < 3; segment++) {
            int mine = segment;
            for (var page : ddb.scanPaginator(r -> r.tableName(name).segment(mine).totalSegments(3).limit(7))) {
                scanned += page.count();
            }
        }
        assertEquals(50, scanned);
        var read = enhanced.batchGetItem(r -> r.addReadBatch(ReadBatch.builder(Order.class).mappedTableResource(orders)
                .addGetItem(key("c0", 2)).addGetItem(key("none", 0)).build()));
        assertEquals(List.of(2), read.resultsForTable(orders).stream().map(Order::getNumber).toList());
    }

    @Test
    void transactions() {
        enhanced.transactWriteItems(r -> r.addPutItem(orders, order("t", 1, "open")).addPutItem(orders, order("t", 2, "open")));
        Expression absent = Expression.builder().expression("attribute_not_exists(customer)").build();
        var canceled = assertThrows(TransactionCanceledException.class, () -> ddb.transactWriteItems(r -> r.transactItems(
                w -> w.put(p -> p.tableName(name).item(plainKey("t", 3))),
                w -> w.put(p -> p.tableName(name).item(plainKey("t", 1)).conditionExpression(absent.expression())))));
        assertEquals(List.of("None", "ConditionalCheckFailed"),
                canceled.cancellationReasons().stream().map(CancellationReason::code).toList());
        assertNull(orders.getItem(key("t", 3)));
        var got = enhanced.transactGetItems(r -> r.addGetItem(orders, key("t", 2)).addGetItem(orders, key("none", 0)));
        assertEquals("open", got.get(0).getItem(orders).getState());
        assertNull(got.get(1).getItem(orders));
    }

    @Test
    void errorsAndTables() {
        assertThrows(ResourceNotFoundException.class,
                () -> ddb.getItem(r -> r.tableName("no-such-table").key(plainKey("a", 1))));
        var invalid = assertThrows(DynamoDbException.class, () -> ddb.getItem(
                r -> r.tableName(name).key(Map.of("customer", AttributeValue.fromS("a")))));
        assertEquals("ValidationException", invalid.awsErrorDetails().errorCode());
        assertEquals("The provided key element does not match the schema", invalid.awsErrorDetails().errorMessage());
        assertEquals(400, invalid.statusCode());
        assertTrue(ddb.listTablesPaginator(r -> r.limit(1)).tableNames().stream().anyMatch(name::equals));
        orders.deleteTable();
        ddb.waiter().waitUntilTableNotExists(r -> r.tableName(name));
    }
}
