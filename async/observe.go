package async

import (
	"github.com/beatlabs/patron/metric"
	"github.com/beatlabs/patron/trace"
	"go.opentelemetry.io/otel/attribute"
)

// observation is what is bound once for a source: the name of its spans and its metrics.
type observation struct {
	telemetry *trace.Telemetry
	op        *trace.Op
	received  *metric.Counter
	processed *metric.Counter
	duplicate *metric.Counter
	postponed *metric.Counter
	failed    *metric.Counter
	retried   *metric.Counter
	dead      *metric.Counter
	expired   *metric.Counter
	discarded *metric.Counter
	released  *metric.Counter
	lost      *metric.Counter
	held      *metric.Gauge
	oldest    *metric.Gauge
	lags      *metric.GaugeVec // not bound: a series is there only while the source is the consumer's
	lagLabels []string
}

// The names of the metrics of a consumer, beside those of trace.Consumer.
const (
	metricReceived = "patron_consumer_received_messages_total"
	metricOutcomes = "patron_consumer_messages_total"
	metricHeld     = "patron_consumer_held_messages"
	metricOldest   = "patron_consumer_oldest_message_age_seconds"
	metricLag      = "patron_consumer_lag_messages"
)

// observe returns what is bound for source in the telemetry of the session.
func (s *session) observe(source *Source) *observation {
	if o := source.observed.Load(); o != nil && o.telemetry == s.telemetry {
		return o
	}
	o := newObservation(s.telemetry, source)
	source.observed.Store(o)
	return o
}

// tally counts what happens to messages of one source that come one after another, so that a metric is written once for many of them.
type tally struct {
	source    *Source
	received  int
	lost      int
	processed int
	held      int // came minus gone
}

// tallyLocked makes t count for source: what it has counted for another one is written. A nil source ends it.
func (s *session) tallyLocked(t *tally, source *Source) {
	if t.source == source {
		return
	}
	if t.source != nil {
		o := s.observe(t.source)
		addTo(o.received, t.received)
		addTo(o.lost, t.lost)
		addTo(o.processed, t.processed)
		if t.held != 0 {
			o.held.Add(float64(t.held))
			s.countSourceLocked(t.source, t.held)
		}
	}
	*t = tally{source: source}
}

func addTo(c *metric.Counter, n int) {
	if n > 0 {
		c.Add(float64(n))
	}
}

func newObservation(t *trace.Telemetry, source *Source) *observation {
	labels := []string{"messaging_system", "messaging_destination_name", "messaging_consumer_group_name"}
	values := []string{source.System, source.Name, source.Group}
	outcomes := t.Metrics().Counter(metric.Opts{
		Name: metricOutcomes, Labels: append(labels[:3:3], "patron_outcome"),
		Help: "What became of messages: processed, duplicate (processed before), postponed, failed (an attempt), retried, dead, expired (and then dead), " +
			"discarded, released, lost.",
	})
	outcome := func(name string) *metric.Counter { return outcomes.With(append(values[:3:3], name)...) }
	return &observation{
		telemetry: t,
		op: trace.NewOp(trace.Consumer, "process "+source.Name, trace.MessagingSystem(source.System), trace.MessagingDestination(source.Name),
			trace.MessagingGroup(source.Group), trace.MessagingOperation("process")),
		received:  t.Metrics().Counter(metric.Opts{Name: metricReceived, Help: "Deliveries received.", Labels: labels}).With(values...),
		processed: outcome("processed"),
		duplicate: outcome("duplicate"),
		postponed: outcome("postponed"),
		failed:    outcome("failed"),
		retried:   outcome("retried"),
		dead:      outcome("dead"),
		expired:   outcome("expired"),
		discarded: outcome("discarded"),
		released:  outcome("released"),
		lost:      outcome("lost"),
		held: t.Metrics().Gauge(metric.Opts{
			Name: metricHeld, Labels: labels,
			Help: "Messages that are received and not settled.",
		}).With(values...),
		oldest: t.Metrics().Gauge(metric.Opts{
			Name: metricOldest, Labels: labels,
			Help: "Time since the oldest held message was received.",
		}).With(values...),
		lags: t.Metrics().Gauge(metric.Opts{
			Name: metricLag, Labels: append(labels[:3:3], "partition"),
			Help: "Messages in the source that are not settled.",
		}),
		lagLabels: append(values[:3:3], partition(source)),
	}
}

func partition(s *Source) string {
	if s.Partition < 0 {
		return ""
	}
	return itoa(int64(s.Partition))
}

// description is what is worth knowing about one delivery alone.
type description Message

// AppendAttributes is asked if the span is recorded.
func (m *description) AppendAttributes(attrs []attribute.KeyValue) []attribute.KeyValue {
	if m.ID != "" {
		attrs = append(attrs, trace.MessageID(m.ID))
	}
	attrs = append(attrs, attribute.Int("messaging.message.body.size", len(m.Data)))
	if m.Deliveries > 0 {
		attrs = append(attrs, attribute.Int("patron.deliveries", m.Deliveries))
	}
	if m.Source.Partition >= 0 {
		attrs = append(attrs, attribute.Int("messaging.destination.partition.id", int(m.Source.Partition)))
	}
	return attrs
}
