package sarama

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/IBM/sarama"
	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/kafka/internal/ledger"
)

// OptionFunc sets one option of a consumer or a producer. It checks its value, and that it has a meaning for what it is given to; the constructors join what
// the options say.
type OptionFunc func(*config) error

// role is what an option is given to.
type role uint8

const (
	ofGroup    role = 1 << iota // [New]
	ofProducer                  // [NewProducer]

	ofAll = ofGroup | ofProducer
)

// String names the constructor.
func (r role) String() string {
	switch r {
	case ofGroup:
		return "New"
	case ofProducer:
		return "NewProducer"
	case ofAll:
		return "New and NewProducer"
	default:
		return "unknown role"
	}
}

type config struct {
	role    role
	brokers []string

	clientID  string
	tls       *tls.Config
	mechanism sarama.SASLMechanism
	user      string
	password  string
	dial      func(ctx context.Context, network, addr string) (net.Conn, error)
	raw       []func(*sarama.Config)

	start       async.Position
	instanceID  string
	rack        string
	session     time.Duration
	heartbeat   time.Duration
	rebalance   time.Duration
	uncommitted bool // reads records of transactions that are open or aborted
	partFetch   int32
	bound       int
	keyLanes    bool

	dead      string // "": by the name of the topic
	noDead    bool
	noCreate  bool
	replicas  int16
	retention time.Duration // of dead letters; 0: for ever

	maxBytes int
}

// The defaults. A member that dies without a word is missed after the session, and its partitions go to others after the next rebalance.
const (
	defaultSession   = 6 * time.Second
	defaultHeartbeat = time.Second
	defaultRebalance = 30 * time.Second
	defaultMaxBytes  = 1_000_000
)

func newConfig(r role, brokers []string, oo []OptionFunc) (config, error) {
	c := config{
		role: r, brokers: slices.Clone(brokers), start: async.Oldest(), session: defaultSession, heartbeat: defaultHeartbeat, rebalance: defaultRebalance,
		bound: ledger.DefaultBound, replicas: -1, maxBytes: defaultMaxBytes,
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

// WithClientConfig lets set change the configuration of the client library after everything else, for what has no option here: protocol version, compression,
// buffers, time-outs, balance strategies. It is called for each connection that is made. What the contract stands on is set again afterwards: no auto commit,
// errors that are returned, and of a producer acks of all replicas, idempotence and the partitioner. It may be given several times.
func WithClientConfig(set func(*sarama.Config)) OptionFunc {
	return option("client configuration", ofAll, func(c *config) error {
		if set == nil {
			return errEmpty
		}
		c.raw = append(c.raw, set)
		return nil
	})
}
