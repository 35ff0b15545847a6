package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// system is what the spans and metrics of this broker are called.
const system = "kafka"

// base returns the options of any client.
func (c *config) base(log *slog.Logger) []kgo.Opt {
	oo := []kgo.Opt{
		kgo.SeedBrokers(c.brokers...),
		kgo.MetadataMinAge(metadataMinAge),
		kgo.RetryBackoffFn(backoff),
		kgo.WithLogger(&logger{log: log}),
		kgo.DisableClientMetrics(),
	}
	if c.clientID != "" {
		oo = append(oo, kgo.ClientID(c.clientID))
	}
	if len(c.sasl) > 0 {
		oo = append(oo, kgo.SASL(c.sasl...))
	}
	return append(oo, c.dialing()...)
}

// dialing returns the option that makes connections.
func (c *config) dialing() []kgo.Opt {
	switch {
	case c.dial == nil && c.tls == nil:
		return nil
	case c.dial == nil:
		return []kgo.Opt{kgo.DialTLSConfig(c.tls)}
	case c.tls == nil:
		return []kgo.Opt{kgo.Dialer(c.dial)}
	}
	return []kgo.Opt{kgo.Dialer(func(ctx context.Context, network, addr string) (net.Conn, error) {
		return dialTLS(ctx, c, network, addr)
	})}
}

// producing returns the options of a client that produces: nothing that was confirmed is lost, and nothing overtakes or doubles another.
func (c *config) producing() []kgo.Opt {
	most := c.maxBytes
	if c.role&ofConsumers != 0 {
		most = rewriteMaxBytes
	}
	return []kgo.Opt{
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerBatchMaxBytes(most),
		kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)), // murmur2 of the key, as the Java client
		kgo.ProducerLinger(0),
		kgo.UnknownTopicRetries(10),
	}
}

// backoff is the pause before a request is tried again: short, since the broker that is asked next may be up.
func backoff(tries int) time.Duration {
	const least, most = 50 * time.Millisecond, 2 * time.Second
	if tries > 5 {
		return most
	}
	return least << max(0, tries-1)
}

// client makes a client. Its errors are those of options that contradict each other.
func (c *config) client(oo []kgo.Opt) (*kgo.Client, error) {
	cl, err := kgo.NewClient(append(oo, c.raw...)...)
	if err != nil {
		return nil, fmt.Errorf("client options: %w", err)
	}
	return cl, nil
}

// cause returns the error of a request whose context was cut short, with that of the connection before it if that is known.
func cause(err, connection error) error {
	if connection == nil || err == nil || errors.Is(err, connection) {
		return err
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return fmt.Errorf("%w: %w", err, connection)
	}
	return err
}
