// S3 through the AWS SDK for Go v2, its upload and download managers and its presigner.
package sdks

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/s3/manager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

const mib = 1 << 20

func s3Client(t *testing.T) *s3.Client {
	t.Helper()
	return s3.NewFromConfig(load(t), func(o *s3.Options) { o.UsePathStyle = true })
}

// The client and a bucket of its own.
func s3Bucket(t *testing.T) (*s3.Client, *string) {
	t.Helper()
	c, name := s3Client(t), aws.String(strings.ToLower(strings.NewReplacer("/", "-", "_", "-").Replace("go-"+t.Name())))
	_, err := c.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: name})
	must(t, err)
	return c, name
}

func sample(size int) []byte {
	body := make([]byte, size)
	for i := range body {
		body[i] = byte(i % 251)
	}
	return body
}

func s3Get(t *testing.T, c *s3.Client, input *s3.GetObjectInput) (*s3.GetObjectOutput, []byte) {
	t.Helper()
	got, err := c.GetObject(t.Context(), input)
	must(t, err)
	defer got.Body.Close()
	body, err := io.ReadAll(got.Body)
	must(t, err)
	return got, body
}

func TestS3Objects(t *testing.T) {
	c, bucket := s3Bucket(t)
	key := aws.String("dir/ü +&?.txt")
	body := sample(100000)
	put, err := c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: bucket, Key: key, Body: bytes.NewReader(body),
		ContentType: aws.String("text/x"), Metadata: map[string]string{"a": "b"}})
	must(t, err)
	sum := md5.Sum(body)
	equal(t, "ETag", aws.ToString(put.ETag), `"`+hex.EncodeToString(sum[:])+`"`)
	got, back := s3Get(t, c, &s3.GetObjectInput{Bucket: bucket, Key: key})
	if !bytes.Equal(back, body) || got.Metadata["a"] != "b" || aws.ToString(got.ContentType) != "text/x" {
		t.Fatal("another object came back")
	}
	_, part := s3Get(t, c, &s3.GetObjectInput{Bucket: bucket, Key: key, Range: aws.String("bytes=5-9")})
	equal(t, "range", string(part), string(body[5:10]))
	head, err := c.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: bucket, Key: key, ChecksumMode: s3types.ChecksumModeEnabled})
	must(t, err)
	equal(t, "checksum", aws.ToString(head.ChecksumCRC32), aws.ToString(put.ChecksumCRC32))
	_, err = c.CopyObject(t.Context(), &s3.CopyObjectInput{Bucket: bucket, Key: aws.String("copy"),
		CopySource: aws.String(*bucket + "/dir/%C3%BC%20%2B%26%3F.txt")})
	must(t, err)
	_, err = c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: bucket, Key: aws.String("copy"), IfNoneMatch: aws.String("*")})
	var failed smithy.APIError
	failed = fails[smithy.APIError](t, err, http.StatusPreconditionFailed)
	equal(t, "code", failed.ErrorCode(), "PreconditionFailed")
	_, err = c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: bucket, Key: aws.String("none")})
	fails[*s3types.NoSuchKey](t, err, http.StatusNotFound)
	_, err = c.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: bucket, Key: aws.String("none")})
	fails[*s3types.NotFound](t, err, http.StatusNotFound)
	_, err = c.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String("no-such-bucket-anywhere")})
	fails[*s3types.NoSuchBucket](t, err, http.StatusNotFound)
}

func TestS3Manager(t *testing.T) {
	c, bucket := s3Bucket(t)
	body := sample(13*mib + 7)
	uploader := manager.NewUploader(c, func(u *manager.Uploader) { u.PartSize = 5 * mib })
	// A reader without a length.
	done, err := uploader.Upload(t.Context(), &s3.PutObjectInput{Bucket: bucket, Key: aws.String("large"),
		Body: io.MultiReader(bytes.NewReader(body))})
	must(t, err)
	if !strings.HasSuffix(aws.ToString(done.ETag), `-3"`) || done.UploadID == "" {
		t.Fatalf("%v", aws.ToString(done.ETag))
	}
	buffer := manager.NewWriteAtBuffer(nil)
	size, err := manager.NewDownloader(c, func(d *manager.Downloader) { d.PartSize = 4 * mib }).Download(t.Context(), buffer,
		&s3.GetObjectInput{Bucket: bucket, Key: aws.String("large")})
	must(t, err)
	if size != int64(len(body)) || !bytes.Equal(buffer.Bytes(), body) {
		t.Fatal("another object came back")
	}
	_, err = uploader.Upload(t.Context(), &s3.PutObjectInput{Bucket: bucket, Key: aws.String("small"), Body: strings.NewReader("x")})
	must(t, err)
	location, err := manager.GetBucketRegion(t.Context(), c, *bucket)
	must(t, err)
	equal(t, "region", location, "us-east-1")
}

func TestS3Listing(t *testing.T) {
	c, bucket := s3Bucket(t)
	var group sync.WaitGroup
	for n := range 4 {
		group.Add(1)
		go func() {
			defer group.Done()
			for i := n; i < 25; i += 4 {
				_, err := c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: bucket,
					Key: aws.String(fmt.Sprintf("d%d/%02d", i%3, i)), Body: strings.NewReader("x")})
				if err != nil {
					t.Error(err)
				}
			}
		}()
	}
	group.Wait()
	var keys []string
	pages := s3.NewListObjectsV2Paginator(c, &s3.ListObjectsV2Input{Bucket: bucket, MaxKeys: aws.Int32(10)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		must(t, err)
		for _, object := range page.Contents {
			keys = append(keys, *object.Key)
		}
	}
	equal(t, "keys", len(keys), 25)
	equal(t, "sorted", slices.IsSorted(keys), true)
	folders, err := c.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: bucket, Delimiter: aws.String("/")})
	must(t, err)
	equal(t, "folders", len(folders.CommonPrefixes), 3)
	var all []s3types.ObjectIdentifier
	for _, key := range keys {
		all = append(all, s3types.ObjectIdentifier{Key: aws.String(key)})
	}
	gone, err := c.DeleteObjects(t.Context(), &s3.DeleteObjectsInput{Bucket: bucket, Delete: &s3types.Delete{Objects: all}})
	must(t, err)
	equal(t, "deleted", len(gone.Deleted), 25)
	_, err = c.DeleteBucket(t.Context(), &s3.DeleteBucketInput{Bucket: bucket})
	must(t, err)
	must(t, s3.NewBucketNotExistsWaiter(c).Wait(t.Context(), &s3.HeadBucketInput{Bucket: bucket}, 5*time.Second))
}

func TestS3Presigned(t *testing.T) {
	_, bucket := s3Bucket(t)
	c := s3.NewFromConfig(load(t, with(os.Getenv("KUMONIWA_ISSUED_KEY"), os.Getenv("KUMONIWA_ISSUED_SECRET"))), func(o *s3.Options) { o.UsePathStyle = true })
	own := aws.String(*bucket + "-own")
	_, err := c.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: own})
	must(t, err)
	signer, key := s3.NewPresignClient(c), aws.String("a b")
	put, err := signer.PresignPutObject(t.Context(), &s3.PutObjectInput{Bucket: own, Key: key, ContentType: aws.String("text/x"),
		Metadata: map[string]string{"a": "b"}})
	must(t, err)
	equal(t, "put", presignedSend(t, put.Method, put.URL, put.SignedHeader, "hello"), "200 ")
	get, err := signer.PresignGetObject(t.Context(), &s3.GetObjectInput{Bucket: own, Key: key}, s3.WithPresignExpires(time.Minute))
	must(t, err)
	equal(t, "get", presignedSend(t, get.Method, get.URL, get.SignedHeader, ""), "200 hello")
	answer := presignedSend(t, get.Method, get.URL[:len(get.URL)-4]+"0000", get.SignedHeader, "")
	if !strings.HasPrefix(answer, "403 ") || !strings.Contains(answer, "SignatureDoesNotMatch") {
		t.Fatal(answer)
	}
	head, err := c.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: own, Key: key})
	must(t, err)
	equal(t, "metadata", head.Metadata["a"], "b")
}

func presignedSend(t *testing.T, method, url string, header http.Header, body string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	must(t, err)
	for name, values := range header {
		if name != "Host" && name != "Content-Length" {
			request.Header[name] = values
		}
	}
	reply, err := http.DefaultClient.Do(request)
	must(t, err)
	defer reply.Body.Close()
	text, err := io.ReadAll(reply.Body)
	must(t, err)
	return fmt.Sprintf("%d %s", reply.StatusCode, text)
}
