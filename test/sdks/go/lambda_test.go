// Lambda through the AWS SDK for Go v2; the functions are Go programs with AWS's runtime client for Go.
package sdks

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// The program of function/, zipped; built once.
var goFunction = sync.OnceValues(func() ([]byte, error) {
	folder, err := os.MkdirTemp("", "sdks")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	bootstrap := filepath.Join(folder, "bootstrap")
	build := exec.Command("go", "build", "-o", bootstrap, "./function")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOTOOLCHAIN=local")
	if said, err := build.CombinedOutput(); err != nil {
		return said, err
	}
	text, err := os.ReadFile(bootstrap)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	archive := zip.NewWriter(&out)
	header := &zip.FileHeader{Name: "bootstrap", Method: zip.Deflate}
	header.SetMode(0o755)
	file, err := archive.CreateHeader(header)
	if err == nil {
		_, err = file.Write(text)
	}
	if err == nil {
		err = archive.Close()
	}
	return out.Bytes(), err
})

func lambdaFunction(t *testing.T) (*lambda.Client, *string) {
	t.Helper()
	loaded, name := load(t), aws.String(queueName(t))
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole",
		"Principal":{"Service":"lambda.amazonaws.com"}}]}`
	role, err := iam.NewFromConfig(loaded).CreateRole(t.Context(), &iam.CreateRoleInput{
		RoleName: name, AssumeRolePolicyDocument: &trust})
	must(t, err)
	code, err := goFunction()
	if err != nil {
		t.Fatalf("%v\n%s", err, code)
	}
	c := lambda.NewFromConfig(loaded)
	_, err = c.CreateFunction(t.Context(), &lambda.CreateFunctionInput{
		FunctionName: name, Role: role.Role.Arn, Runtime: lambdatypes.RuntimeProvidedal2023, Handler: aws.String("bootstrap"),
		Code: &lambdatypes.FunctionCode{ZipFile: code}, MemorySize: aws.Int32(256), Timeout: aws.Int32(7),
	})
	must(t, err)
	waiter := lambda.NewFunctionActiveV2Waiter(c, func(o *lambda.FunctionActiveV2WaiterOptions) { o.MinDelay = 50 * time.Millisecond })
	must(t, waiter.Wait(t.Context(), &lambda.GetFunctionInput{FunctionName: name}, time.Minute))
	return c, name
}

func invoke(t *testing.T, c *lambda.Client, name *string, payload string) *lambda.InvokeOutput {
	t.Helper()
	app := base64.StdEncoding.EncodeToString([]byte(`{"client":{"app_title":"gardener"}}`))
	got, err := c.Invoke(t.Context(), &lambda.InvokeInput{
		FunctionName: name, Payload: []byte(payload), LogType: lambdatypes.LogTypeTail, ClientContext: &app})
	must(t, err)
	return got
}

func TestLambdaRuntimeClient(t *testing.T) {
	c, name := lambdaFunction(t)
	got := invoke(t, c, name, `{"text":"こんにちは garden"}`)
	var said struct {
		Upper, RequestID, ARN, Client string
		Memory, Seconds               int
	}
	must(t, json.Unmarshal(got.Payload, &said))
	equal(t, "upper", said.Upper, "こんにちは GARDEN")
	equal(t, "arn", said.ARN, "arn:aws:lambda:us-east-1:"+account+":function:"+*name)
	equal(t, "client context", said.Client, "gardener")
	equal(t, "memory", said.Memory, 256)
	equal(t, "deadline", said.Seconds, 7)
	equal(t, "version", *got.ExecutedVersion, "$LATEST")
	tail, err := base64.StdEncoding.DecodeString(*got.LogResult)
	must(t, err)
	for _, part := range []string{"heard こんにちは garden\n", *name + " $LATEST\n", "REPORT RequestId: " + said.RequestID} {
		if !strings.Contains(string(tail), part) {
			t.Fatalf("%q is not in the log:\n%s", part, tail)
		}
	}
}

func TestLambdaFailures(t *testing.T) {
	c, name := lambdaFunction(t)
	for what, want := range map[string][2]string{
		"fail":  {"errorString", "as it was told"},
		"panic": {"string", "told so"},
		"sleep": {"Sandbox.Timedout", "Task timed out after 7.00 seconds"},
	} {
		got := invoke(t, c, name, `{"do":"`+what+`"}`)
		equal(t, what, aws.ToString(got.FunctionError), "Unhandled")
		var problem struct{ ErrorType, ErrorMessage string }
		must(t, json.Unmarshal(got.Payload, &problem))
		equal(t, what, problem.ErrorType, want[0])
		if !strings.HasSuffix(problem.ErrorMessage, want[1]) {
			t.Fatalf("%s: %s", what, problem.ErrorMessage)
		}
	}
	_, err := c.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("nobody")})
	fails[*lambdatypes.ResourceNotFoundException](t, err, 404)
}

func TestLambdaStreams(t *testing.T) {
	c, name := lambdaFunction(t)
	got, err := c.InvokeWithResponseStream(t.Context(), &lambda.InvokeWithResponseStreamInput{
		FunctionName: name, Payload: []byte(`{"do":"stream"}`)})
	must(t, err)
	stream := got.GetStream()
	defer stream.Close()
	var whole bytes.Buffer
	ended := false
	for event := range stream.Events() {
		switch event := event.(type) {
		case *lambdatypes.InvokeWithResponseStreamResponseEventMemberPayloadChunk:
			whole.Write(event.Value.Payload)
		case *lambdatypes.InvokeWithResponseStreamResponseEventMemberInvokeComplete:
			equal(t, "error", aws.ToString(event.Value.ErrorCode), "")
			ended = true
		}
	}
	must(t, stream.Err())
	equal(t, "ended", ended, true)
	// What goes before the body says how it is to be answered; eight zero bytes part them.
	_, body, parted := strings.Cut(whole.String(), strings.Repeat("\x00", 8))
	equal(t, "parted", parted, true)
	rest, err := io.ReadAll(strings.NewReader(body))
	must(t, err)
	equal(t, "body", len(rest), 100000)
}
