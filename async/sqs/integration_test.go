package sqs

import (
	"context"
	"crypto/rand"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/asynctest"
	"github.com/beatlabs/patron/internal/faultnet"
)

// endpoint returns the address of a real SQS, or skips the test.
func endpoint(t *testing.T, variable string) string {
	t.Helper()
	u := os.Getenv(variable)
	if u == "" {
		t.Skip(variable + " is not set: make test starts the brokers")
	}
	return u
}

func credentials() aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, nil
	})
}

// newClient returns a client whose connections come from network, and what closes them.
func newClient(u string, network *faultnet.Network) (*sqs.Client, func()) {
	transport := &http.Transport{DialContext: network.DialContext, MaxIdleConnsPerHost: 16}
	return sqs.New(sqs.Options{
		Region: "eu-west-1", BaseEndpoint: &u, Credentials: credentials(), HTTPClient: &http.Client{Transport: transport},
	}), transport.CloseIdleConnections
}

// makeQueue makes a queue with a name of its own, which the end of the test deletes.
func makeQueue(tb testing.TB, admin *sqs.Client, prefix, suffix string, attributes map[string]string) (u string, remove func()) {
	tb.Helper()
	name := prefix + "-" + rand.Text()[:12] + suffix
	if suffix == fifoSuffix {
		if attributes == nil {
			attributes = make(map[string]string)
		}
		attributes["FifoQueue"] = "true"
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	out, err := admin.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
	if err != nil {
		tb.Fatal(err)
	}
	return *out.QueueUrl, func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if _, err := admin.DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: out.QueueUrl}); err != nil {
			tb.Error(err)
		}
	}
}

// realHarness is one of a real SQS, which a network stands before.
type realHarness struct {
	*harness
	network *faultnet.Network
}

func (h *realHarness) Down() { h.network.Down() }
func (h *realHarness) Up()   { h.network.Up() }

func (h *realHarness) Absent() async.ConsumerFactory {
	client, _ := newClient("http://127.0.0.1:1", h.network)
	return h.newFactory(client, []OptionFunc{WithWait(time.Second)})
}

// fifoHarness is one whose messages can be lost. Where there is no order, what is lost may come again after all is done, for which the suite does not wait.
type fifoHarness struct{ *realHarness }

// Lose makes the messages visible that consumers hold, behind their backs.
func (h *fifoHarness) Lose() {
	for c, mm := range h.everyHeld() {
		var changes []change
		for _, m := range mm {
			c.mu.Lock()
			d := c.held[m]
			c.mu.Unlock()
			c.lose(d, async.ErrLost)
			changes = append(changes, change{delivery: d})
		}
		c.change(context.Background(), changes)
	}
}

// realVisibility is short, so that the suite need not wait long for what comes back, and long enough for a busy machine to extend it in time.
const realVisibility = 8 * time.Second

func realTraits(suffix string) async.Traits {
	t := standardTraits()
	if suffix == fifoSuffix {
		t = fifoTraits()
	}
	t.Visibility, t.StopWait = realVisibility, time.Second+pollSlack
	return t
}

func realHarnessOf(u, suffix string) func(testing.TB) asynctest.Harness {
	return func(tb testing.TB) asynctest.Harness {
		tb.Helper()
		admin, closeAdmin := newClient(u, faultnet.New())
		queue, removeQueue := makeQueue(tb, admin, "patron", suffix, nil)
		dead, removeDead := makeQueue(tb, admin, "patron-dead", "", nil)
		network := faultnet.New()
		client, closeClient := newClient(u, network)
		h := &realHarness{network: network}
		h.harness = newHarness(tb, client, queue, dead[strings.LastIndexByte(dead, '/')+1:], WithWait(time.Second), WithVisibility(realVisibility))
		h.sends = []PublisherOptionFunc{WithoutDeduplication()}
		h.closers = []func(){removeQueue, removeDead, closeAdmin, closeClient}
		if suffix == fifoSuffix {
			return &fifoHarness{h}
		}
		return h
	}
}

func conformanceOnReal(t *testing.T, u string, fifo ...asynctest.OptionFunc) {
	t.Helper()
	for name, suffix := range map[string]string{"standard": "", "FIFO": fifoSuffix} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			traits, harness := realTraits(suffix), realHarnessOf(u, suffix)
			t.Run("consumer", func(t *testing.T) {
				t.Parallel()
				oo := []asynctest.OptionFunc{asynctest.WithPatience(time.Minute)}
				if suffix == fifoSuffix {
					oo = append(oo, fifo...)
				}
				asynctest.Run(t, traits, harness, oo...)
			})
			t.Run("producer", func(t *testing.T) {
				t.Parallel()
				asynctest.RunProducer(t, traits, harness, asynctest.WithPatience(time.Minute))
			})
			t.Run("dead letters", func(t *testing.T) {
				t.Parallel()
				asynctest.RunDeadLetters(t, traits, harness, asynctest.WithPatience(time.Minute))
			})
		})
	}
}

func TestConformanceOnRealElasticMQ(t *testing.T) {
	t.Parallel()
	conformanceOnReal(t, endpoint(t, "PATRON_TEST_SQS_ENDPOINT"), asynctest.Without("a stuck key leaves the others their rate",
		"ElasticMQ takes 80 ms for each receive call that waits and each send, when 200 messages are locked in a FIFO queue"))
}

func TestConformanceOnRealFauxqs(t *testing.T) {
	t.Parallel()
	conformanceOnReal(t, endpoint(t, "PATRON_TEST_SNS_ENDPOINT"))
}
