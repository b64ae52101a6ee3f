package kumoniwa;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInfo;
import org.junit.jupiter.api.io.TempDir;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.core.async.AsyncRequestBody;
import software.amazon.awssdk.core.sync.RequestBody;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.s3.S3AsyncClient;
import software.amazon.awssdk.services.s3.S3Client;
import software.amazon.awssdk.services.s3.S3Configuration;
import software.amazon.awssdk.services.s3.model.ChecksumAlgorithm;
import software.amazon.awssdk.services.s3.model.NoSuchBucketException;
import software.amazon.awssdk.services.s3.model.NoSuchKeyException;
import software.amazon.awssdk.services.s3.model.ObjectIdentifier;
import software.amazon.awssdk.services.s3.model.S3Exception;
import software.amazon.awssdk.services.s3.model.S3Object;
import software.amazon.awssdk.services.s3.presigner.S3Presigner;
import software.amazon.awssdk.transfer.s3.S3TransferManager;
import software.amazon.awssdk.transfer.s3.model.CompletedDirectoryUpload;

/** S3 through the AWS SDK for Java v2: its blocking client, its transfer manager, its presigner. */
class S3Test {
    private static final int MIB = 1 << 20;

    private final S3Client s3 = S3Client.builder().forcePathStyle(true).build();
    private String bucket;

    @BeforeEach
    void makeBucket(TestInfo test) {
        bucket = "java-" + test.getTestMethod().orElseThrow().getName().toLowerCase();
        s3.createBucket(r -> r.bucket(bucket));
    }

    private static byte[] sample(int size) {
        byte[] body = new byte[size];
        for (int i = 0; i < size; i++) {
            body[i] = (byte) (i % 251);
        }
        return body;
    }

    private byte[] get(String key) {
        return s3.getObjectAsBytes(r -> r.bucket(bucket).key(key)).asByteArray();
    }

    @Test
    void objects() throws Exception {
        byte[] body = sample(100000);
        String key = "dir/ü +&?.txt";
        var put = s3.putObject(r -> r.bucket(bucket).key(key).contentType("text/x").metadata(Map.of("a", "b")),
                RequestBody.fromBytes(body));
        String md5 = HexFormat.of().formatHex(MessageDigest.getInstance("MD5").digest(body));
        assertEquals("\"" + md5 + "\"", put.eTag());
        var got = s3.getObjectAsBytes(r -> r.bucket(bucket).key(key));
        assertArrayEquals(body, got.asByteArray());
        assertEquals(Map.of("a", "b"), got.response().metadata());
        assertEquals("text/x", got.response().contentType());
        assertEquals(5, s3.getObjectAsBytes(r -> r.bucket(bucket).key(key).range("bytes=5-9")).asByteArray().length);
        s3.copyObject(r -> r.sourceBucket(bucket).sourceKey(key).destinationBucket(bucket).destinationKey("copy"));
        assertArrayEquals(body, get("copy"));
        for (ChecksumAlgorithm algorithm : List.of(ChecksumAlgorithm.CRC32, ChecksumAlgorithm.CRC32_C,
                ChecksumAlgorithm.SHA1, ChecksumAlgorithm.SHA256)) {
            s3.putObject(r -> r.bucket(bucket).key("sum").checksumAlgorithm(algorithm), RequestBody.fromBytes(body));
            assertArrayEquals(body, get("sum"));
        }
        // A stream, whose length is known and whose digest is not.
        s3.putObject(r -> r.bucket(bucket).key("stream"),
                RequestBody.fromInputStream(new java.io.ByteArrayInputStream(body), body.length));
        assertArrayEquals(body, get("stream"));
    }

    @Test
    void errors() {
        assertThrows(NoSuchKeyException.class, () -> get("none"));
        assertThrows(NoSuchKeyException.class, () -> s3.headObject(r -> r.bucket(bucket).key("none")));
        assertThrows(NoSuchBucketException.class, () -> s3.listObjectsV2(r -> r.bucket("no-such-bucket-anywhere")));
        s3.putObject(r -> r.bucket(bucket).key("k"), RequestBody.fromString("1"));
        S3Exception failed = assertThrows(S3Exception.class,
                () -> s3.putObject(r -> r.bucket(bucket).key("k").ifNoneMatch("*"), RequestBody.fromString("2")));
        assertEquals(412, failed.statusCode());
        assertEquals("PreconditionFailed", failed.awsErrorDetails().errorCode());
        failed = assertThrows(S3Exception.class, () -> s3.deleteBucket(r -> r.bucket(bucket)));
        assertEquals("BucketNotEmpty", failed.awsErrorDetails().errorCode());
    }

    @Test
    void listing() {
        List<ObjectIdentifier> all = new ArrayList<>();
        for (int i = 0; i < 25; i++) {
            String key = String.format("d%d/%02d", i % 3, i);
            s3.putObject(r -> r.bucket(bucket).key(key), RequestBody.fromString("x"));
            all.add(ObjectIdentifier.builder().key(key).build());
        }
        List<String> keys = s3.listObjectsV2Paginator(r -> r.bucket(bucket).maxKeys(10)).contents().stream()
                .map(S3Object::key).toList();
        assertEquals(all.stream().map(ObjectIdentifier::key).sorted().toList(), keys);
        assertEquals(3, s3.listObjectsV2(r -> r.bucket(bucket).delimiter("/")).commonPrefixes().size());
        assertEquals(25, s3.deleteObjects(r -> r.bucket(bucket).delete(d -> d.objects(all))).deleted().size());
        s3.deleteBucket(r -> r.bucket(bucket));
        s3.waiter().waitUntilBucketNotExists(r -> r.bucket(bucket));
    }

    @Test
    void transferManager(@TempDir Path folder) throws Exception {
        byte[] large = sample(20 * MIB + 7);
        Path file = Files.write(folder.resolve("large.bin"), large);
        try (S3AsyncClient client = S3AsyncClient.builder().forcePathStyle(true).multipartEnabled(true)
                        .multipartConfiguration(m -> m.minimumPartSizeInBytes(5L * MIB).thresholdInBytes(6L * MIB)).build();
                S3TransferManager manager = S3TransferManager.builder().s3Client(client).build()) {
            var done = manager.uploadFile(u -> u.source(file).putObjectRequest(r -> r.bucket(bucket).key("large")))
                    .completionFuture().join();
            assertTrue(done.response().eTag().endsWith("-5\""), done.response().eTag());
            Path back = folder.resolve("back.bin");
            manager.downloadFile(d -> d.destination(back).getObjectRequest(r -> r.bucket(bucket).key("large")))
                    .completionFuture().join();
            assertArrayEquals(large, Files.readAllBytes(back));
            manager.copy(c -> c.copyObjectRequest(r -> r.sourceBucket(bucket).sourceKey("large").destinationBucket(bucket)
                    .destinationKey("copied"))).completionFuture().join();
            assertArrayEquals(large, get("copied"));
            // A body of unknown length.
            var unknown = AsyncRequestBody.forBlockingInputStream(null);
            var upload = manager.upload(u -> u.requestBody(unknown).putObjectRequest(r -> r.bucket(bucket).key("unknown")));
            unknown.writeInputStream(Files.newInputStream(file));
            upload.completionFuture().join();
            assertArrayEquals(large, get("unknown"));
            Path tree = Files.createDirectories(folder.resolve("tree/sub"));
            for (int i = 0; i < 30; i++) {
                Files.writeString(tree.resolve(i + ".txt"), "text " + i);
            }
            CompletedDirectoryUpload uploaded = manager.uploadDirectory(u -> u.source(folder.resolve("tree")).bucket(bucket)
                    .s3Prefix("tree")).completionFuture().join();
            assertEquals(List.of(), uploaded.failedTransfers());
            var downloaded = manager.downloadDirectory(d -> d.destination(folder.resolve("again")).bucket(bucket)
                    .listObjectsV2RequestTransformer(l -> l.prefix("tree/"))).completionFuture().join();
            assertEquals(List.of(), downloaded.failedTransfers());
            assertEquals("text 29", Files.readString(folder.resolve("again/sub/29.txt")));
        }
    }

    @Test
    void presigned() throws Exception {
        var key = StaticCredentialsProvider.create(AwsBasicCredentials.create(
                System.getenv("KUMONIWA_ISSUED_KEY"), System.getenv("KUMONIWA_ISSUED_SECRET")));
        String own = bucket + "-own";
        URI endpoint = URI.create(System.getenv("AWS_ENDPOINT_URL"));
        HttpClient http = HttpClient.newHttpClient();
        try (S3Client owner = S3Client.builder().forcePathStyle(true).credentialsProvider(key).build();
                S3Presigner signer = S3Presigner.builder().credentialsProvider(key).region(Region.US_EAST_1)
                        .endpointOverride(endpoint)
                        .serviceConfiguration(S3Configuration.builder().pathStyleAccessEnabled(true).build()).build()) {
            owner.createBucket(r -> r.bucket(own));
            var put = signer.presignPutObject(p -> p.signatureDuration(Duration.ofMinutes(1))
                    .putObjectRequest(r -> r.bucket(own).key("a b")));
            HttpRequest.Builder request = HttpRequest.newBuilder(put.url().toURI())
                    .PUT(HttpRequest.BodyPublishers.ofString("hello"));
            put.signedHeaders().forEach((name, values) -> {
                if (!name.equalsIgnoreCase("host")) {
                    values.forEach(value -> request.header(name, value));
                }
            });
            assertEquals(200, http.send(request.build(), HttpResponse.BodyHandlers.ofString()).statusCode());
            var get = signer.presignGetObject(p -> p.signatureDuration(Duration.ofMinutes(1))
                    .getObjectRequest(r -> r.bucket(own).key("a b")));
            var answer = http.send(HttpRequest.newBuilder(get.url().toURI()).build(),
                    HttpResponse.BodyHandlers.ofString(StandardCharsets.UTF_8));
            assertEquals("hello", answer.body());
            answer = http.send(HttpRequest.newBuilder(URI.create(get.url() + "0")).build(),
                    HttpResponse.BodyHandlers.ofString(StandardCharsets.UTF_8));
            assertEquals(403, answer.statusCode());
            assertTrue(answer.body().contains("SignatureDoesNotMatch"), answer.body());
        }
    }

    /** AWS itself serves this one no more. */
    @Test
    void unimplementedSaysSo() {
        S3Exception told = assertThrows(S3Exception.class, () -> s3.getObjectTorrentAsBytes(r -> r.bucket(bucket).key("none")));
        assertEquals(501, told.statusCode());
        assertEquals("NotImplemented", told.awsErrorDetails().errorCode());
        assertTrue(told.awsErrorDetails().errorMessage().contains("GetObjectTorrent"), told.toString());
    }
}
