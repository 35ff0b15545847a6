//go:build unix

package sqs

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/internal/faultnet"
)

// canned answers the HTTP requests of the SDK in this process: ten messages to each receive call, and success to everything else.
type canned struct {
	body   []byte
	ids    []int // where in it the message IDs end
	mu     sync.Mutex
	served int
	most   int
}

func newCanned(most int) *canned {
	var b strings.Builder
	var ids []int
	b.WriteString(`{"Messages":[`)
	for i := range mostEntries {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`{"MessageId":"5fea7756-0ea4-451a-a703-000000000000`)
		ids = append(ids, b.Len())
		fmt.Fprintf(&b, `","ReceiptHandle":"%s%d","Body":%q,"Attributes":{"SentTimestamp":"1700000000123",`+
			`"ApproximateReceiveCount":"1"},"MessageAttributes":{"Content-Type":{"DataType":"String","StringValue":"application/json"},`+
			`"Patron-Message-Id":{"DataType":"String","StringValue":"0198b3b0-0000-7000-8000-00000000000%d"}}}`,
			strings.Repeat("r", 180), i, strings.Repeat("0123456789", 20), i)
	}
	b.WriteString(`]}`)
	return &canned{body: []byte(b.String()), ids: ids, most: most}
}

func (c *canned) Do(req *http.Request) (*http.Response, error) {
	body := []byte(`{"Successful":[{"Id":"0"},{"Id":"1"},{"Id":"2"},{"Id":"3"},{"Id":"4"},{"Id":"5"},{"Id":"6"},{"Id":"7"},{"Id":"8"},{"Id":"9"}],"Failed":[]}`)
	switch target := req.Header.Get("X-Amz-Target"); {
	case strings.HasSuffix(target, "ReceiveMessage"):
		c.mu.Lock()
		body = bytes.Clone(c.body)
		for i, end := range c.ids {
			digits := strconv.Itoa(c.served + i)
			copy(body[end-len(digits):], digits)
		}
		if c.served >= c.most {
			body = []byte(`{}`)
		}
		c.served += mostEntries
		c.mu.Unlock()
	case strings.HasSuffix(target, "GetQueueAttributes"):
		body = []byte(`{"Attributes":{"ApproximateNumberOfMessages":"0","ApproximateNumberOfMessagesNotVisible":"0","ApproximateNumberOfMessagesDelayed":"0"}}`)
	}
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/x-amz-json-1.0"}}, Body: readCloser{bytes.NewReader(body)},
		ContentLength: int64(len(body)), Request: req,
	}, nil
}

type readCloser struct{ *bytes.Reader }

func (readCloser) Close() error { return nil }

func (c *canned) client() *sqs.Client {
	u := "http://sqs.test"
	return sqs.New(sqs.Options{Region: "eu-west-1", BaseEndpoint: &u, Credentials: aws.NewCredentialsCache(credentials()), HTTPClient: c})
}

// measured reports the time that the process had a processor, which others on the machine blur less than the time that went by.
func measured(b *testing.B) func() {
	b.Helper()
	used := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	began := used()
	return func() { b.ReportMetric(float64(used()-began)/float64(b.N), "cpu-ns/op") }
}

// BenchmarkReceive compares the raw client, in a loop that receives ten messages and deletes them together, with the engine. There is no network, so what is
// measured is all that the client costs but its connections.
func BenchmarkReceive(b *testing.B) {
	u := fakeURL + source
	compare(b, func(b *testing.B) (*sqs.Client, string) {
		b.Helper()
		return newCanned(b.N).client(), u
	})
}

// BenchmarkReceiveOnRealElasticMQ is the same over connections; the broker is another process, whose time is not counted.
func BenchmarkReceiveOnRealElasticMQ(b *testing.B) {
	address := os.Getenv("PATRON_TEST_SQS_ENDPOINT")
	if address == "" {
		b.Skip("PATRON_TEST_SQS_ENDPOINT is not set")
	}
	compare(b, func(b *testing.B) (*sqs.Client, string) {
		b.Helper()
		client, closeClient := newClient(address, faultnet.New())
		u, remove := makeQueue(b, client, "patron-bench", "", nil)
		b.Cleanup(func() {
			remove()
			closeClient()
		})
		p, err := NewPublisher(client, u)
		if err != nil {
			b.Fatal(err)
		}
		mm := make([]*async.Message, b.N)
		for i := range mm {
			mm[i] = &async.Message{Data: bytes.Repeat([]byte("0123456789"), 20)}
		}
		if err := p.Send(b.Context(), mm...); err != nil {
			b.Fatal(err)
		}
		return client, u
	})
}

// compare measures clients with a queue that has b.N messages.
func compare(b *testing.B, open func(*testing.B) (*sqs.Client, string)) {
	b.Helper()
	b.Run("raw", func(b *testing.B) {
		client, u := open(b)
		b.ReportAllocs()
		b.ResetTimer()
		defer measured(b)()
		for n := 0; n < b.N; {
			out, err := client.ReceiveMessage(b.Context(), &sqs.ReceiveMessageInput{
				QueueUrl: &u, MaxNumberOfMessages: mostEntries, WaitTimeSeconds: 5, MessageAttributeNames: []string{"All"}, MessageSystemAttributeNames: read(),
			})
			if err != nil {
				b.Fatal(err)
			}
			if len(out.Messages) == 0 {
				continue
			}
			in := &sqs.DeleteMessageBatchInput{QueueUrl: &u}
			for i := range out.Messages {
				in.Entries = append(in.Entries, types.DeleteMessageBatchRequestEntry{Id: entryID(i), ReceiptHandle: out.Messages[i].ReceiptHandle})
			}
			if _, err := client.DeleteMessageBatch(b.Context(), in); err != nil {
				b.Fatal(err)
			}
			n += len(out.Messages)
		}
	})
	for _, concurrency := range []int{1, 8} {
		b.Run(fmt.Sprintf("engine, %d workers", concurrency), func(b *testing.B) {
			client, u := open(b)
			f, err := New(client, u, WithReceivers(1), WithWait(time.Second))
			if err != nil {
				b.Fatal(err)
			}
			ctx, stop := context.WithCancel(b.Context())
			defer stop()
			var n atomic.Int64
			c, err := async.New("orders", f, func(context.Context, *async.Message) error {
				if n.Add(1) == int64(b.N) {
					stop()
				}
				return nil
			}, async.WithConcurrency(concurrency))
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			b.ResetTimer()
			defer measured(b)()
			if err := c.Run(ctx); err != nil {
				b.Fatal(err)
			}
		})
	}
}
