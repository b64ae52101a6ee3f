// A function of the runtime provided.al2023, with AWS's own runtime client for Go.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

type request struct {
	Do   string `json:"do"`
	Text string `json:"text"`
}

type reply struct {
	Upper     string `json:"upper"`
	RequestID string `json:"requestId"`
	ARN       string `json:"arn"`
	Client    string `json:"client"`
	Memory    int    `json:"memory"`
	Seconds   int    `json:"seconds"`
}

func handle(ctx context.Context, in request) (any, error) {
	lc, _ := lambdacontext.FromContext(ctx)
	switch in.Do {
	case "fail":
		return nil, errors.New("as it was told")
	case "panic":
		panic("told so")
	case "stream":
		return &events.LambdaFunctionURLStreamingResponse{Body: strings.NewReader(strings.Repeat("x", 100000))}, nil
	case "sleep":
		time.Sleep(time.Minute)
	}
	until, _ := ctx.Deadline()
	log.Println("heard", in.Text)
	fmt.Println(lambdacontext.FunctionName, lambdacontext.FunctionVersion)
	return reply{
		Upper: strings.ToUpper(in.Text), RequestID: lc.AwsRequestID, ARN: lc.InvokedFunctionArn,
		Client: lc.ClientContext.Client.AppTitle, Memory: lambdacontext.MemoryLimitInMB,
		Seconds: int(time.Until(until).Round(time.Second).Seconds()),
	}, nil
}

func main() { lambda.Start(handle) }
