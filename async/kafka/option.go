package kafka

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/kafka/internal/ledger"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
)

// OptionFunc sets one option of a consumer or a producer. It checks its value, and that it has a meaning for what it is given to; the constructors join what
// the options say.
type OptionFunc func(*config) error

// role is what an option is given to.
type role uint8

const (
	ofGroup     role = 1 << iota // [New]
	ofBroadcast                  // [NewBroadcast]
	ofProducer                   // [NewProducer]
	ofBuffer                     // [NewBuffered]

	ofConsumers = ofGroup | ofBroadcast
	ofProducers = ofProducer | ofBuffer
)

// String names the constructor.
func (r role) String() string {
	switch r {
	case ofGroup:
		return "New"
	case ofBroadcast:
		return "NewBroadcast"
	case ofProducer:
		return "NewProducer"
	case ofBuffer:
		return "NewBuffered"
	case ofConsumers, ofProducers, all:
		return "several"
	default:
		return "unknown role"
	}
}

type config struct {
	role    role
	brokers []string

	clientID string
	tls      *tls.Config
	sasl     []sasl.Mechanism
	dial     func(ctx context.Context, network, addr string) (net.Conn, error)
	raw      []kgo.Opt

	regex       bool
	start       async.Position
	instanceID  string
	rack        string
	serverSide  bool // KIP-848
	session     time.Duration
	heartbeat   time.Duration
	rebalance   time.Duration
	uncommitted bool // reads records of transactions that are open or aborted
	fetch       int32
	partFetch   int32
	bound       int
	keyLanes    bool
	discovery   time.Duration

	dead      string // "": by the name of the topic
	noDead    bool
	noCreate  bool
	replicas  int16
	retention time.Duration // of dead letters; 0: for ever

	maxBytes int32
	buffer   int
}

// The defaults. A member that dies without a word is missed after the session, and its partitions go to others after the next rebalance: so a crash
// costs six seconds and a half, or nothing but the start of the process with a static instance (classic groups).
const (
	defaultSession   = 6 * time.Second
	defaultHeartbeat = time.Second
	defaultRebalance = 30 * time.Second
	defaultDiscovery = 30 * time.Second
	defaultMaxBytes  = 1_048_588 // message.max.bytes of a broker, as it comes
	rewriteMaxBytes  = 64 << 20  // of dead letters and retries: the broker decides
	defaultBuffer    = 10_000
	metadataMinAge   = 100 * time.Millisecond // 5 s in the client: how long it keeps on asking a broker that no longer leads
)

func newConfig(r role, brokers []string, oo []OptionFunc) (config, error) {
	c := config{
		role: r, brokers: slices.Clone(brokers), start: async.Oldest(), session: defaultSession, heartbeat: defaultHeartbeat, rebalance: defaultRebalance,
		discovery: defaultDiscovery, bound: ledger.DefaultBound, replicas: -1, maxBytes: defaultMaxBytes, buffer: defaultBuffer,
	}
	if r == ofBroadcast {
		c.start = async.Newest()
	}
	errs := []error{c.checkBrokers()}
	for i, o := range oo {
		if o == nil {
			errs = append(errs, fmt.Errorf("option %d is nil", i))
			continue
		}
		errs = append(errs, o(&c))
	}
	if c.heartbeat >= c.session {
		errs = append(errs, fmt.Errorf("heartbeat %v: want less than the session, %v", c.heartbeat, c.session))
	}
	if c.serverSide && c.instanceID == "" && (c.session != defaultSession || c.heartbeat != defaultHeartbeat) {
		errs = append(errs, errors.New("session and heartbeat: the broker sets them under the consumer protocol"))
	}
	return c, errors.Join(errs...)
}

func (c *config) checkBrokers() error {
	if len(c.brokers) == 0 {
		return errors.New("no brokers: want at least one host:port")
	}
	var errs []error
	for _, b := range c.brokers {
		if host, port, err := net.SplitHostPort(b); err != nil || host == "" || port == "" {
			errs = append(errs, fmt.Errorf("broker %q: want host:port", b))
		}
	}
	return errors.Join(errs...)
}

// option returns an option for some constructors only.
func option(name string, roles role, set func(*config) error) OptionFunc {
	return func(c *config) error {
		if c.role&roles == 0 {
			return fmt.Errorf("%s: has no meaning for %s", name, c.role)
		}
		if err := set(c); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return nil
	}
}

var errEmpty = errors.New("is empty")

func set[T comparable](to *T, value T) error {
	var zero T
	if value == zero {
		return errEmpty
	}
	*to = value
	return nil
}

func above[T ~int | ~int16 | ~int32 | ~int64](to *T, value, least T) error {
	if value < least {
		return fmt.Errorf("%v: want at least %v", value, least)
	}
	*to = value
	return nil
}

// WithClientOptions gives options of the client library to the client, behind our own: they win. Those that this package needs for itself (auto commit, the
// callbacks of the group, topics and partitions to consume, the isolation level) must not be among them. It may be given several times.
func WithClientOptions(oo ...kgo.Opt) OptionFunc {
	return func(c *config) error {
		c.raw = append(c.raw, oo...)
		return nil
	}
}
