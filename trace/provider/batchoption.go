package provider

import (
	"errors"
	"fmt"
	"time"
)

const (
	defaultQueueSize     = 2048
	defaultBatchSize     = 512
	defaultDelay         = time.Second
	defaultExportTimeout = 30 * time.Second
)

// BatchOptionFunc sets an option of [WithExporter].
type BatchOptionFunc func(*batchConfig) error

type batchConfig struct {
	queueSize int
	batchSize int
	delay     time.Duration
	timeout   time.Duration
	blocking  bool
}

// WithQueueSize sets how many spans may wait for the exporter, besides those that it is exporting. Default 2048, at least 1. Memory for the
// queue (16 bytes a span) is taken by Start, that of the spans as they come.
func WithQueueSize(n int) BatchOptionFunc {
	return func(c *batchConfig) error {
		if n < 1 {
			return fmt.Errorf("queue size %d: want at least 1", n)
		}
		c.queueSize = n
		return nil
	}
}

// WithBatchSize sets how many spans are exported at once. Default 512, at least 1; a queue that is smaller is the limit.
func WithBatchSize(n int) BatchOptionFunc {
	return func(c *batchConfig) error {
		if n < 1 {
			return fmt.Errorf("batch size %d: want at least 1", n)
		}
		c.batchSize = n
		return nil
	}
}

// WithDelay sets how long a span waits at most for others to fill the batch. Default 1 s, more than 0.
func WithDelay(d time.Duration) BatchOptionFunc {
	return func(c *batchConfig) error {
		if d <= 0 {
			return fmt.Errorf("delay %s: want more than 0", d)
		}
		c.delay = d
		return nil
	}
}

// WithExportTimeout bounds each export by the context that it is given. Default 30 s, more than 0.
func WithExportTimeout(d time.Duration) BatchOptionFunc {
	return func(c *batchConfig) error {
		if d <= 0 {
			return fmt.Errorf("export timeout %s: want more than 0", d)
		}
		c.timeout = d
		return nil
	}
}

// WithBlocking makes whoever ends a span wait while the queue is full, instead of dropping the span: for a file that must be complete, never for a
// network. Waiting ends when there is room, or when the context of Shutdown ends, which drops the span. The exporter must not end sampled spans of the
// same provider itself: it would wait for itself.
func WithBlocking() BatchOptionFunc {
	return func(c *batchConfig) error {
		c.blocking = true
		return nil
	}
}

func newBatchConfig(oo []BatchOptionFunc) (batchConfig, error) {
	c := batchConfig{queueSize: defaultQueueSize, batchSize: defaultBatchSize, delay: defaultDelay, timeout: defaultExportTimeout}
	var errs []error
	for i, o := range oo {
		if o == nil {
			errs = append(errs, fmt.Errorf("option %d is nil", i))
			continue
		}
		errs = append(errs, o(&c))
	}
	c.batchSize = min(c.batchSize, c.queueSize)
	return c, errors.Join(errs...)
}
