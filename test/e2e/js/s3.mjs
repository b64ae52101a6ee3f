// The AWS SDK for JavaScript v3 with lib-storage and the presigner, as an application uses it: the endpoint comes from
// AWS_ENDPOINT_URL. Prints what it saw as JSON; test_js.py judges.
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import {
  CompleteMultipartUploadCommand, CopyObjectCommand, CreateBucketCommand, CreateMultipartUploadCommand, DeleteObjectsCommand,
  GetObjectAttributesCommand, GetObjectCommand, HeadObjectCommand, ListObjectsV2Command, PutObjectCommand, S3Client,
  UploadPartCommand, paginateListObjectsV2, waitUntilObjectExists,
} from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";

const Bucket = process.argv[2];
const client = new S3Client({ forcePathStyle: true, maxAttempts: 1 });
const seen = {};
const send = (command) => client.send(command);
const md5 = (bytes) => createHash("md5").update(bytes).digest("hex");
const failure = async (promise) => {
  try {
    await promise;
    return null;
  } catch (error) {
    return { name: error.name, status: error.$metadata?.httpStatusCode };
  }
};

await send(new CreateBucketCommand({ Bucket }));
const put = await send(new PutObjectCommand({ Bucket, Key: "dir/ü +.txt", Body: "hello", Metadata: { a: "b" }, ContentType: "text/x" }));
seen.put = { ETag: put.ETag, crc32: put.ChecksumCRC32 };
const got = await send(new GetObjectCommand({ Bucket, Key: "dir/ü +.txt" }));
seen.got = { body: await got.Body.transformToString(), metadata: got.Metadata, type: got.ContentType };
await waitUntilObjectExists({ client, maxWaitTime: 30 }, { Bucket, Key: "dir/ü +.txt" });

// A stream of unknown length, in parts.
const piece = Buffer.alloc(1 << 20, "0123456789abcdef");
let left = 13;
const stream = new Readable({ read() { this.push(left-- > 0 ? piece : null); } });
const upload = new Upload({ client, params: { Bucket, Key: "large", Body: stream }, partSize: 5 << 20, queueSize: 3 });
const progress = [];
upload.on("httpUploadProgress", (event) => progress.push(event.loaded));
const done = await upload.done();
const large = Buffer.concat(Array(13).fill(piece));
seen.large = {
  etag: done.ETag, location: done.Location, progress: Math.max(...progress),
  same: md5(await (await send(new GetObjectCommand({ Bucket, Key: "large" }))).Body.transformToByteArray()) === md5(large),
  range: await (await send(new GetObjectCommand({ Bucket, Key: "large", Range: `bytes=${(5 << 20) - 2}-${(5 << 20) + 1}` }))).Body.transformToString(),
  part: (await send(new HeadObjectCommand({ Bucket, Key: "large", PartNumber: 3 }))).ContentLength,
};
// A body without a length that fits into one part, and one that is aborted.
seen.small = (await new Upload({ client, params: { Bucket, Key: "small", Body: Readable.from(["a", "b"]) } }).done()).ETag;
const aborted = new Upload({ client, params: { Bucket, Key: "aborted", Body: large }, partSize: 5 << 20 });
const ending = failure(aborted.done());
await aborted.abort();
seen.aborted = (await ending)?.name;

for (const ChecksumAlgorithm of ["CRC32", "CRC32C", "SHA1", "SHA256", "CRC64NVME"]) {
  const answer = await failure(send(new PutObjectCommand({ Bucket, Key: `sum/${ChecksumAlgorithm}`, Body: "1", ChecksumAlgorithm })));
  if (answer === null) {
    const object = await send(new GetObjectCommand({ Bucket, Key: `sum/${ChecksumAlgorithm}`, ChecksumMode: "ENABLED" }));
    (seen.sums ??= {})[ChecksumAlgorithm] = await object.Body.transformToString();
  } else {
    (seen.sums ??= {})[ChecksumAlgorithm] = answer.name; // one whose code is another package
  }
}
const attributes = await send(new GetObjectAttributesCommand({ Bucket, Key: "large", ObjectAttributes: ["ObjectParts", "ObjectSize"] }));
seen.attributes = [attributes.ObjectSize, attributes.ObjectParts?.TotalPartsCount];
await send(new CopyObjectCommand({ Bucket, Key: "copy", CopySource: `${Bucket}/dir/${encodeURIComponent("ü +.txt")}` }));
seen.keys = [];
for await (const page of paginateListObjectsV2({ client, pageSize: 3 }, { Bucket })) seen.keys.push((page.Contents ?? []).map((o) => o.Key));
seen.folders = (await send(new ListObjectsV2Command({ Bucket, Delimiter: "/" }))).CommonPrefixes.map((p) => p.Prefix);

// Signed here, used by whoever has the URL.
const url = await getSignedUrl(client, new PutObjectCommand({ Bucket, Key: "signed" }), { expiresIn: 60 });
seen.signed = { put: (await fetch(url, { method: "PUT", body: "by url" })).status, hoisted: /x-amz-checksum-crc32=/i.test(url) };
seen.signed.body = await (await fetch(await getSignedUrl(client, new GetObjectCommand({ Bucket, Key: "signed" })))).text();
const multi = await send(new CreateMultipartUploadCommand({ Bucket, Key: "parts" }));
const part = await fetch(await getSignedUrl(client, new UploadPartCommand({ Bucket, Key: "parts", UploadId: multi.UploadId, PartNumber: 1 })),
  { method: "PUT", body: "part" });
await send(new CompleteMultipartUploadCommand({ Bucket, Key: "parts", UploadId: multi.UploadId,
  MultipartUpload: { Parts: [{ PartNumber: 1, ETag: part.headers.get("etag") }] } }));
seen.signed.part = await (await send(new GetObjectCommand({ Bucket, Key: "parts" }))).Body.transformToString();

seen.errors = [
  await failure(send(new GetObjectCommand({ Bucket, Key: "none" }))),
  await failure(send(new HeadObjectCommand({ Bucket, Key: "none" }))),
  await failure(send(new ListObjectsV2Command({ Bucket: "no-such-bucket-anywhere" }))),
  await failure(send(new PutObjectCommand({ Bucket, Key: "copy", Body: "", IfNoneMatch: "*" }))),
];
const gone = await send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: [{ Key: "copy" }, { Key: "small" }] } }));
seen.deleted = gone.Deleted.map((d) => d.Key).sort();
console.log(JSON.stringify(seen));
