package sqs

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sns"
	snstypes "github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/asynctest"
	"github.com/beatlabs/patron/internal/faultnet"
	"github.com/beatlabs/patron/reliability"
	oteltrace "go.opentelemetry.io/otel/trace"
)

// newTopicClient returns a client whose connections come from network, and what closes them.
func newTopicClient(u string, network *faultnet.Network) (*sns.Client, func()) {
	transport := &http.Transport{DialContext: network.DialContext, MaxIdleConnsPerHost: 16}
	return sns.New(sns.Options{
		Region: "eu-west-1", BaseEndpoint: &u, Credentials: credentials(), HTTPClient: &http.Client{Transport: transport},
	}), transport.CloseIdleConnections
}

// makeTopic makes a topic to which a queue is subscribed, and returns its ARN and what deletes it.
func makeTopic(tb testing.TB, topics *sns.Client, queues *sqs.Client, queue, suffix string, raw bool) (arn string, remove func()) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	name, attributes := "patron-"+rand.Text()[:12]+suffix, map[string]string{}
	if suffix == fifoSuffix {
		attributes["FifoTopic"] = "true"
	}
	topic, err := topics.CreateTopic(ctx, &sns.CreateTopicInput{Name: &name, Attributes: attributes})
	if err != nil {
		tb.Fatal(err)
	}
	const arnOf = types.QueueAttributeNameQueueArn
	of, err := queues.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &queue, AttributeNames: []types.QueueAttributeName{arnOf}})
	if err != nil {
		tb.Fatal(err)
	}
	protocol, to := "sqs", of.Attributes[string(arnOf)]
	_, err = topics.Subscribe(ctx, &sns.SubscribeInput{
		TopicArn: topic.TopicArn, Protocol: &protocol, Endpoint: &to, Attributes: map[string]string{"RawMessageDelivery": strconv.FormatBool(raw)},
	})
	if err != nil {
		tb.Fatal(err)
	}
	return *topic.TopicArn, func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if _, err := topics.DeleteTopic(ctx, &sns.DeleteTopicInput{TopicArn: topic.TopicArn}); err != nil {
			tb.Error(err)
		}
	}
}

// topicFaults refuses the entry of a batch that [harness.FailSend] named.
type topicFaults struct {
	SNSClient
	h *harness
}

func (f *topicFaults) PublishBatch(ctx context.Context, in *sns.PublishBatchInput, oo ...func(*sns.Options)) (*sns.PublishBatchOutput, error) {
	cut := *in
	refused := -1
	f.h.client.mu.Lock()
	if i, n := f.h.client.skip, len(in.PublishBatchRequestEntries); i >= n {
		f.h.client.skip -= n
	} else if i >= 0 {
		refused, f.h.client.skip = i, -1
		cut.PublishBatchRequestEntries = slices.Delete(slices.Clone(in.PublishBatchRequestEntries), i, i+1)
	}
	f.h.client.mu.Unlock()
	out := &sns.PublishBatchOutput{}
	if len(cut.PublishBatchRequestEntries) > 0 {
		var err error
		if out, err = f.SNSClient.PublishBatch(ctx, &cut, oo...); err != nil {
			return nil, err
		}
	}
	if refused >= 0 {
		e := internalError(in.PublishBatchRequestEntries[refused].Id)
		out.Failed = append(out.Failed, snstypes.BatchResultErrorEntry{Id: e.Id, Code: e.Code, Message: e.Message})
	}
	return out, nil
}

// realTopicHarness sends to its queue through a topic.
type realTopicHarness struct {
	*fifoHarness
	topics SNSClient
	arn    string
}

func (h *realTopicHarness) Producer() async.Producer {
	p, err := NewSNSPublisher(&topicFaults{SNSClient: h.topics, h: h.harness}, h.arn, h.sends...)
	if err != nil {
		h.Fatal(err)
	}
	return p
}

// The queue is a FIFO queue, since a topic cannot hold messages back either.
func TestProducerConformanceThroughARealTopic(t *testing.T) {
	t.Parallel()
	u := endpoint(t, "PATRON_TEST_SNS_ENDPOINT")
	for name, raw := range map[string]bool{"raw": true, "in an envelope": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asynctest.RunProducer(t, realTraits(fifoSuffix), func(tb testing.TB) asynctest.Harness {
				tb.Helper()
				h := &realTopicHarness{fifoHarness: realHarnessOf(u, fifoSuffix)(tb).(*fifoHarness)}
				topics, closeTopics := newTopicClient(u, h.network)
				queues, closeQueues := newClient(u, h.network)
				arn, removeTopic := makeTopic(tb, topics, queues, h.queue, fifoSuffix, raw)
				h.topics, h.arn = topics, arn
				h.closers = append(h.closers, removeTopic, closeTopics, closeQueues)
				return h
			}, asynctest.WithPatience(time.Minute), asynctest.Without("a batch keeps the order of its keys",
				"fauxqs sorts the entries of a request to SNS by their numbers as text, 10 before 2: TestMessagesPassARealTopicWhole sends fewer"))
		})
	}
}

// fauxqsBatch is the longest batch whose order fauxqs keeps.
const fauxqsBatch = 9

func TestMessagesPassARealTopicWhole(t *testing.T) {
	t.Parallel()
	u := endpoint(t, "PATRON_TEST_SNS_ENDPOINT")
	for name, suffix := range map[string]string{"standard": "", "FIFO": fifoSuffix} {
		for form, raw := range map[string]bool{"raw": true, "in an envelope": false} {
			t.Run(name+", "+form, func(t *testing.T) {
				t.Parallel()
				network := faultnet.New()
				topics, closeTopics := newTopicClient(u, network)
				defer closeTopics()
				queues, closeQueues := newClient(u, network)
				defer closeQueues()
				queue, removeQueue := makeQueue(t, queues, "patron", suffix, nil)
				defer removeQueue()
				arn, removeTopic := makeTopic(t, topics, queues, queue, suffix, raw)
				defer removeTopic()
				p, err := NewSNSPublisher(topics, arn)
				if err != nil {
					t.Fatal(err)
				}
				defer func() {
					if err := p.Close(context.Background()); err != nil {
						t.Error(err)
					}
				}()
				span := oteltrace.NewSpanContext(oteltrace.SpanContextConfig{
					TraceID: oteltrace.TraceID([]byte(rand.Text()[:16])), SpanID: oteltrace.SpanID([]byte(rand.Text()[:8])), TraceFlags: oteltrace.FlagsSampled,
				})
				sent := topicMessages()
				want := make(map[string]*async.Message)

				for part := range slices.Chunk(sent, fauxqsBatch) {
					if err := p.Send(oteltrace.ContextWithSpanContext(t.Context(), span), part...); err != nil {
						t.Fatal(err)
					}
				}

				for _, m := range sent {
					want[m.ID] = m
				}
				last := make(map[string]int) // by key
				for _, m := range receiveAll(t, queues, queue, len(sent)) {
					compareWithSent(t, m, want[m.ID])
					delete(want, m.ID)
					if parent := m.Headers.Get("traceparent"); !strings.Contains(parent, span.TraceID().String()) {
						t.Errorf("message %s: got traceparent %q, want it of trace %s", m.ID, parent, span.TraceID())
					}
					if topic := m.Headers.Get(HeaderTopic); topic != map[bool]string{false: arn}[raw] {
						t.Errorf("message %s: got topic %q", m.ID, topic)
					}
					if i, _ := strconv.Atoi(m.Headers.Get("place")); suffix == fifoSuffix && len(m.Key) > 0 {
						if i < last[string(m.Key)] {
							t.Errorf("key %s: message %d comes after %d", m.Key, i, last[string(m.Key)])
						}
						last[string(m.Key)] = i
					}
				}
				if len(want) > 0 {
					t.Errorf("%d messages did not come", len(want))
				}
			})
		}
	}
}

// topicMessages fill three batches, and have what attributes and bodies cannot carry as it is.
func topicMessages() []*async.Message {
	const n = 25
	mm := make([]*async.Message, n)
	for i := range mm {
		mm[i] = &async.Message{
			ID: fmt.Sprintf("m%02d-%s", i, rand.Text()[:8]), Data: []byte("body " + strconv.Itoa(i)),
			Headers: async.Headers{{Key: "place", Value: strconv.Itoa(i)}, {Key: async.HeaderType, Value: "order.placed"}},
		}
		if i%4 != 0 {
			mm[i].Key = []byte("k" + strconv.Itoa(i%4))
		}
	}
	mm[1].Data, mm[2].Data, mm[3].Data = nil, []byte{0, 0xff, 'x'}, []byte(`{"Message":"not an envelope","Type":"Notification"}`)
	mm[5].Headers = append(mm[5].Headers, async.Header{Key: "empty"}, async.Header{Key: "not a name", Value: "line\x01"})
	for i := range 12 {
		mm[6].Headers = append(mm[6].Headers, async.Header{Key: "h" + strconv.Itoa(i), Value: "<&\"" + strconv.Itoa(i)})
	}
	mm[7].Key = []byte("key with spaces \xff")
	mm[8].Expires = time.Now().Add(time.Hour)
	return mm
}

// receiveAll receives so many messages and acknowledges them; another one fails the test.
func receiveAll(t *testing.T, client *sqs.Client, queue string, n int) []*async.Message {
	t.Helper()
	cf, err := New(client, queue, WithWait(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	c, err := cf.Create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var all []*async.Message
	for len(all) < n {
		mm, err := c.Receive(ctx, 10)
		if err != nil {
			t.Fatalf("receive after %d of %d messages: %v", len(all), n, err)
		}
		ss := make([]async.Settlement, len(mm))
		for i, m := range mm {
			ss[i] = async.Settlement{Message: m, Verdict: async.Ack}
		}
		if err := c.Settle(ctx, ss); err != nil {
			t.Fatal(err)
		}
		for i := range ss {
			if ss[i].Err != nil {
				t.Errorf("message %s: %v", mm[i].ID, ss[i].Err)
			}
		}
		all = append(all, mm...)
	}
	return all
}

func compareWithSent(t *testing.T, got, want *async.Message) {
	t.Helper()
	if want == nil {
		t.Errorf("message %s was not sent, or came twice", got.ID)
		return
	}
	if !bytes.Equal(got.Key, want.Key) || !bytes.Equal(got.Data, want.Data) {
		t.Errorf("message %s: got key %q, data %q, want %q, %q", got.ID, got.Key, got.Data, want.Key, want.Data)
	}
	if !got.Time.Equal(want.Time) || !got.Expires.Equal(want.Expires) {
		t.Errorf("message %s: got time %v, expiry %v, want %v, %v", got.ID, got.Time, got.Expires, want.Time, want.Expires)
	}
	for _, h := range want.Headers {
		if !got.Headers.Has(h.Key) || got.Headers.Get(h.Key) != h.Value {
			t.Errorf("message %s: header %s: got %q, want %q", got.ID, h.Key, got.Headers.Get(h.Key), h.Value)
		}
	}
}

func TestARealTopicThatIsMissingIsNamed(t *testing.T) {
	t.Parallel()
	topics, closeTopics := newTopicClient(endpoint(t, "PATRON_TEST_SNS_ENDPOINT"), faultnet.New())
	defer closeTopics()
	p, err := NewSNSPublisher(topics, "arn:aws:sns:eu-west-1:000000000000:patron-missing-"+rand.Text()[:12])
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Close(context.Background()) }()

	err = p.Send(t.Context(), &async.Message{Data: []byte("x")})

	if err == nil || !strings.Contains(err.Error(), "patron-missing-") || reliability.Classify(err) != reliability.ClassPermanent {
		t.Errorf("got %v, want an error for good that names the topic", err)
	}
}
