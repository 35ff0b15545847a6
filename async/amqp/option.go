package amqp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net"
	"time"

	"github.com/beatlabs/patron/async"
	amqp091 "github.com/rabbitmq/amqp091-go"
)

// OptionFunc sets one option of [New], [NewBroadcast] or [NewPublisher]. It checks its value, and whether it is for what is made; the constructor joins what
// the options say.
type OptionFunc func(*config) error

// role is what is made with a config.
type role uint8

const (
	consumes role = 1 << iota
	broadcasts
	publishes
)

func (r role) String() string {
	switch r {
	case consumes:
		return "consumer"
	case broadcasts:
		return "broadcast consumer"
	case publishes:
		return "publisher"
	default:
		return "unknown role"
	}
}

type config struct {
	role      role
	subject   string // the queue or the exchange
	endpoints []endpoint
	node      *nodes
	connector connector

	tls            *tls.Config
	vhost          string
	name           string
	heartbeat      time.Duration
	connectTimeout time.Duration
	dial           func(ctx context.Context, network, addr string) (net.Conn, error)
	raw            []func(*amqp091.Config)
	sendTimeout    time.Duration

	passive   bool
	exchanges []Exchange

	// Of consumers:
	bindings        []binding
	quorum          bool
	single          bool
	unordered       bool
	arguments       amqp091.Table
	deadQueue       string // "": there are no dead letters
	keyOf           func(*amqp091.Delivery) []byte
	consumerTimeout time.Duration

	// Of publishers:
	exchange      string
	routingKey    string
	routingKeyOf  func(*async.Message) string
	transient     bool
	unroutable    bool // is no error
	brokerExpires bool
}

func newConfig(r role, url, subject string, oo []OptionFunc) (*config, error) {
	c := &config{
		role: r, subject: subject, node: new(nodes), connector: dial,
		heartbeat: 5 * time.Second, connectTimeout: 10 * time.Second, sendTimeout: 30 * time.Second, consumerTimeout: 30 * time.Minute,
	}
	if r != publishes {
		c.deadQueue = subject + deadSuffix
	}
	errs := []error{c.addURLs([]string{url})}
	for i, o := range oo {
		if o == nil {
			errs = append(errs, fmt.Errorf("option %d is nil", i))
			continue
		}
		errs = append(errs, o(c))
	}
	return c, errors.Join(errs...)
}

func (c *config) addURLs(urls []string) error {
	var errs []error
	for _, url := range urls {
		e, err := parseEndpoint(len(c.endpoints)+1, url)
		errs = append(errs, err)
		c.endpoints = append(c.endpoints, e)
	}
	return errors.Join(errs...)
}

// isFor says that an option is not for what is made, which would do nothing.
func (c *config) isFor(option string, roles role) error {
	if c.role&roles == 0 {
		return fmt.Errorf("%s: not for a %v", option, c.role)
	}
	return nil
}

// WithURLs names further nodes of the cluster. They are tried in their order, beginning with the one that answered last.
func WithURLs(urls ...string) OptionFunc {
	return func(c *config) error {
		if len(urls) == 0 {
			return errors.New("no further url: want at least 1")
		}
		return c.addURLs(urls)
	}
}

// WithTLS sets the configuration of amqps:// URLs. The default verifies the certificate of the host with the roots of the system.
func WithTLS(t *tls.Config) OptionFunc {
	return func(c *config) error {
		if t == nil {
			return errors.New("tls configuration is nil")
		}
		c.tls = t.Clone()
		return nil
	}
}

// WithVhost sets the virtual host, in place of the one in the URL.
func WithVhost(vhost string) OptionFunc {
	return func(c *config) error {
		if vhost == "" {
			return errors.New("vhost is empty: the default one is \"/\"")
		}
		c.vhost = vhost
		return nil
	}
}

// WithHeartbeat sets how often the two sides of an idle connection show that they live, in whole seconds. A broker that was silent for one and a half times
// as long is taken for gone, so this bounds for how long a half-open connection is not found. The default is 5 s. A heartbeat in the URL comes first.
func WithHeartbeat(d time.Duration) OptionFunc {
	return func(c *config) error {
		if d < time.Second || d%time.Second != 0 || d > 65535*time.Second {
			return fmt.Errorf("heartbeat %v: want whole seconds, 1 s to 65535 s", d)
		}
		c.heartbeat = d
		return nil
	}
}

// WithConnectTimeout bounds how long one node may take to answer, from the socket to the end of the handshake. The default is 10 s.
func WithConnectTimeout(d time.Duration) OptionFunc {
	return func(c *config) error {
		if d <= 0 {
			return fmt.Errorf("connect timeout %v: want above 0", d)
		}
		c.connectTimeout = d
		return nil
	}
}

// WithConnectionName sets the name under which the broker lists the connection. The default says what it is for, as in "patron consumer orders".
func WithConnectionName(name string) OptionFunc {
	return func(c *config) error {
		if name == "" {
			return errors.New("connection name is empty")
		}
		c.name = name
		return nil
	}
}

// WithDial sets the function that opens sockets: through a proxy, or one that a test can break. TLS comes on top of it.
func WithDial(dial func(ctx context.Context, network, addr string) (net.Conn, error)) OptionFunc {
	return func(c *config) error {
		if dial == nil {
			return errors.New("dial function is nil")
		}
		c.dial = dial
		return nil
	}
}

// WithConfig lets set change the configuration of the client library before each connection: other SASL mechanisms, the frame size. Its recovery must stay
// off: connections are made anew here.
func WithConfig(set func(*amqp091.Config)) OptionFunc {
	return func(c *config) error {
		if set == nil {
			return errors.New("config function is nil")
		}
		c.raw = append(c.raw, set)
		return nil
	}
}

// WithSendTimeout bounds how long a Send waits for a connection and for the confirms of the broker when its context does not end before; for a consumer, how
// long the writing of a dead letter or a retry may take. The default is 30 s. What was sent and is not confirmed by then is unknown (async.ErrUnknown), and
// the connection is made anew.
func WithSendTimeout(d time.Duration) OptionFunc {
	return func(c *config) error {
		if d <= 0 {
			return fmt.Errorf("send timeout %v: want above 0", d)
		}
		c.sendTimeout = d
		return nil
	}
}

// WithoutDeclare declares nothing: exchanges, queue, dead-letter queue and those of the retries are there already, made by somebody who has the permission.
// Each connection looks whether they are, and says which is missing.
func WithoutDeclare() OptionFunc {
	return func(c *config) error {
		c.passive = true
		return nil
	}
}

// WithExchange declares e when a connection is made; a mismatch with an exchange that exists is an error that names it.
func WithExchange(e Exchange) OptionFunc {
	return func(c *config) error {
		if err := e.check(); err != nil {
			return err
		}
		e.Arguments = maps.Clone(e.Arguments)
		c.exchanges = append(c.exchanges, e)
		return nil
	}
}

// WithBinding binds the queue of the consumer to an exchange. The routing key may be a pattern where the exchange is a topic; arguments are for an exchange of
// headers and otherwise nil. Give it again for further bindings. One that is given no more is not taken away: that is for whoever knows who else needs it.
func WithBinding(exchange, routingKey string, arguments map[string]any) OptionFunc {
	return func(c *config) error {
		b := binding{exchange: exchange, key: routingKey, arguments: maps.Clone(arguments)}
		if err := errors.Join(c.isFor("WithBinding", consumes|broadcasts), b.check()); err != nil {
			return err
		}
		c.bindings = append(c.bindings, b)
		return nil
	}
}

// WithQuorum makes the queue, and with it those of the dead letters and of the retries, a quorum queue: replicated, and the broker counts deliveries. The type
// of a queue that exists cannot be changed.
func WithQuorum() OptionFunc {
	return func(c *config) error {
		c.quorum = true
		return c.isFor("WithQuorum", consumes)
	}
}

// WithSingleActiveConsumer keeps the order of a key among all consumers of the queue, in whichever process: the broker gives messages to one consumer at a
// time, and to the next when that is gone. The others stand by, so it orders what it does not scale. Without it the order holds within one consumer.
func WithSingleActiveConsumer() OptionFunc {
	return func(c *config) error {
		c.single = true
		return c.isFor("WithSingleActiveConsumer", consumes)
	}
}

// WithoutOrder gives the order of messages up: what fails or is given back goes to the queue again while the consumer lives, for any other to take. Without it
// messages of a key are processed in order, and what is given back stays with the consumer until it is closed.
func WithoutOrder() OptionFunc {
	return func(c *config) error {
		c.unordered = true
		return c.isFor("WithoutOrder", consumes|broadcasts)
	}
}

// WithQueueArguments adds arguments to the declaration of the queue: x-max-length, x-delivery-limit, x-queue-leader-locator and the like. They must be those
// with which it was declared first.
func WithQueueArguments(arguments map[string]any) OptionFunc {
	arguments = maps.Clone(arguments)
	return func(c *config) error {
		if err := c.isFor("WithQueueArguments", consumes); err != nil {
			return err
		}
		for key, option := range map[string]string{argType: "WithQuorum", argSingle: "WithSingleActiveConsumer"} {
			if _, ok := arguments[key]; ok {
				return fmt.Errorf("queue argument %s: want the option %s instead", key, option)
			}
		}
		if err := amqp091.Table(arguments).Validate(); err != nil {
			return fmt.Errorf("queue arguments: %w", err)
		}
		c.arguments = cloneTable(c.arguments)
		maps.Copy(c.arguments, arguments)
		return nil
	}
}

// WithDeadQueue sets the queue of the dead letters. The default is the name of the queue and ".dead"; for broadcasts that of the exchange.
func WithDeadQueue(name string) OptionFunc {
	return func(c *config) error {
		if err := checkName("dead-letter queue", name); err != nil {
			return err
		}
		c.deadQueue = name
		return c.isFor("WithDeadQueue", consumes|broadcasts)
	}
}

// WithoutDeadLetters keeps none: the strategy of the component decides what becomes of a message that failed for good.
func WithoutDeadLetters() OptionFunc {
	return func(c *config) error {
		c.deadQueue = ""
		return c.isFor("WithoutDeadLetters", consumes|broadcasts)
	}
}

// WithKey sets where the key of a message comes from that no publisher of this package sent, and which would have none: [KeyFromRoutingKey], or a function
// that looks into the delivery. It may be called for any message and must be fast; an empty key is no order.
func WithKey(key func(*amqp091.Delivery) []byte) OptionFunc {
	return func(c *config) error {
		if key == nil {
			return errors.New("key function is nil")
		}
		c.keyOf = key
		return c.isFor("WithKey", consumes|broadcasts)
	}
}

// KeyFromRoutingKey takes the routing key for the key, see [WithKey].
func KeyFromRoutingKey(d *amqp091.Delivery) []byte { return []byte(d.RoutingKey) }

// WithConsumerTimeout says what consumer_timeout the broker has: it closes the channel of a consumer that holds a message for longer. A component whose tries
// may take longer is refused. The default is that of the broker, 30 min; 0 says that there is none.
func WithConsumerTimeout(d time.Duration) OptionFunc {
	return func(c *config) error {
		if d < 0 {
			return fmt.Errorf("consumer timeout %v: want at least 0", d)
		}
		c.consumerTimeout = d
		return c.isFor("WithConsumerTimeout", consumes|broadcasts)
	}
}

// WithRoutingKey takes the routing key of each message from it, in place of the one that was given: [RoutingByKey], [RoutingByType] or a function of your own.
func WithRoutingKey(route func(*async.Message) string) OptionFunc {
	return func(c *config) error {
		if route == nil {
			return errors.New("routing key function is nil")
		}
		c.routingKeyOf = route
		return c.isFor("WithRoutingKey", publishes)
	}
}

// RoutingByKey routes a message by its key, see [WithRoutingKey].
func RoutingByKey(m *async.Message) string { return string(m.Key) }

// RoutingByType routes a message by its type, see [WithRoutingKey] and async.TypeOf.
func RoutingByType(m *async.Message) string { return async.TypeOf(m) }

// WithTransient sends messages that do not outlive a restart of the broker, which then confirms them sooner.
func WithTransient() OptionFunc {
	return func(c *config) error {
		c.transient = true
		return c.isFor("WithTransient", publishes)
	}
}

// WithUnroutable makes it no error that a message is routed to no queue: the broker confirms and drops it. It is for exchanges whose queues come and go with
// their consumers, as with [NewBroadcast].
func WithUnroutable() OptionFunc {
	return func(c *config) error {
		c.unroutable = true
		return c.isFor("WithUnroutable", publishes)
	}
}

// WithBrokerExpiration makes the broker, too, drop a message that has expired (Message.Expires), without a dead letter unless the queue has an exchange for
// them. Without it an expired message stays until a consumer makes it a dead letter.
func WithBrokerExpiration() OptionFunc {
	return func(c *config) error {
		c.brokerExpires = true
		return c.isFor("WithBrokerExpiration", publishes)
	}
}
