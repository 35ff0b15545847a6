package sarama

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/IBM/sarama"
	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/reliability"
)

// sender sends records with a client that it does not own, and waits for their confirmation. It may be used concurrently.
type sender struct {
	producer sarama.AsyncProducer
	answers  sync.WaitGroup // of the goroutines that read them

	mu      sync.RWMutex // held for reading while a record is handed over; guards closed
	closed  bool
	closing chan struct{} // closed when nothing is handed over any more
}

// delivery is one record on its way, in the record's metadata.
type delivery struct {
	partition int32 // where it must go; -1: where its key says
	done      chan error
}

const anyPartition = -1

func newSender(client sarama.Client) (*sender, error) {
	p, err := sarama.NewAsyncProducerFromClient(client)
	if err != nil {
		return nil, fmt.Errorf("producer: %w", err)
	}
	s := &sender{producer: p, closing: make(chan struct{})}
	s.answers.Go(func() {
		for m := range p.Successes() {
			answer(m, nil)
		}
	})
	s.answers.Go(func() {
		for e := range p.Errors() {
			answer(e.Msg, e.Err)
		}
	})
	return s, nil
}

func answer(m *sarama.ProducerMessage, err error) {
	if d, ok := m.Metadata.(*delivery); ok {
		d.done <- err
	}
}

// send sends records and returns the error of each, or nil if all are confirmed. When ctx ends, what was handed over is unknown.
func (s *sender) send(ctx context.Context, records []*sarama.ProducerMessage, partition int32) []error {
	errs := make([]error, len(records))
	failed := false
	handed := 0
	for _, r := range records {
		r.Metadata = &delivery{partition: partition, done: make(chan error, 1)}
		if err := s.hand(ctx, r); err != nil {
			for i := handed; i < len(records); i++ {
				errs[i] = err
			}
			failed = true
			break
		}
		handed++
	}
	for i, r := range records[:handed] {
		d, _ := r.Metadata.(*delivery)
		var err error
		select {
		case err = <-d.done:
			err = refusal(err)
		case <-ctx.Done():
			select {
			case err = <-d.done:
				err = refusal(err)
			default:
				err = fmt.Errorf("%w: %w", async.ErrUnknown, context.Cause(ctx))
			}
		}
		errs[i] = err
		failed = failed || err != nil
	}
	if !failed {
		return nil
	}
	return errs
}

// hand gives a record to the client.
func (s *sender) hand(ctx context.Context, r *sarama.ProducerMessage) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return async.ErrClosed
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	select {
	case s.producer.Input() <- r:
		return nil
	case <-s.closing:
		return async.ErrClosed
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// close lets what was handed over be confirmed, and returns when that is so. It ends when the connections do.
func (s *sender) close() {
	close(s.closing) // whoever waits to hand something over lets the mutex go
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.producer.AsyncClose()
	s.answers.Wait()
}

// By these answers a broker, or the client before it, says that a record was not taken: for good, and until somebody mends it.
var (
	refused = []error{ //nolint:gochecknoglobals // immutable
		sarama.ErrMessageSizeTooLarge, sarama.ErrMessageSetSizeTooLarge, sarama.ErrInvalidTopic, sarama.ErrInvalidMessage, sarama.ErrInvalidTimestamp,
		sarama.ErrInvalidRecord, sarama.ErrPolicyViolation, sarama.ErrInvalidPartition, sarama.ErrUnsupportedForMessageFormat,
	}
	forbidden = []error{ //nolint:gochecknoglobals // immutable
		sarama.ErrTopicAuthorizationFailed, sarama.ErrClusterAuthorizationFailed, sarama.ErrUnknownTopicOrPartition,
	}
)

// refusal says what the error of a record means to its sender: it was refused, or may have arrived. The client does not tell whether it ever sent it.
func refusal(err error) error {
	if err == nil {
		return nil
	}
	is := func(target error) bool { return errors.Is(err, target) }
	_, configuration := errors.AsType[sarama.ConfigurationError](err)
	switch {
	case configuration, slices.ContainsFunc(refused, is):
		return reliability.Permanent(err)
	case slices.ContainsFunc(forbidden, is):
		return err
	default:
		return fmt.Errorf("%w: %w", async.ErrUnknown, err)
	}
}

// partitioner chooses partitions as the Java client and franz-go do, murmur2 of the key, so that every producer puts a key into the same one. Records
// without a key are spread.
type partitioner struct{ sarama.Partitioner }

func newPartitioner(topic string) sarama.Partitioner {
	return partitioner{sarama.NewMurmur2Partitioner(topic)}
}

// Partition implements sarama.Partitioner.
func (p partitioner) Partition(m *sarama.ProducerMessage, n int32) (int32, error) {
	if d, ok := m.Metadata.(*delivery); ok && d.partition != anyPartition {
		return d.partition, nil
	}
	return p.Partitioner.Partition(m, n)
}

// MessageRequiresConsistency implements sarama.DynamicConsistencyPartitioner: a key stays in its partition while that has no leader.
func (p partitioner) MessageRequiresConsistency(m *sarama.ProducerMessage) bool {
	d, ok := m.Metadata.(*delivery)
	return m.Key != nil || ok && d.partition != anyPartition
}
