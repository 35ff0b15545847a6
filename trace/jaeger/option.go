package jaeger

import (
	"errors"
	"fmt"
)

const (
	// DefaultMaxPacketSize is the size of a datagram that agents and the OpenTelemetry Collector accept by default, in bytes.
	DefaultMaxPacketSize = 65000

	minPacketSize = 512
	maxPacketSize = 65507 // what IPv4 and UDP leave of 65535
)

// OptionFunc sets an option of [NewExporter].
type OptionFunc func(*config) error

type config struct {
	maxPacketSize int
}

// WithMaxPacketSize sets the most bytes that a datagram may have. The receiver's limit must be at least as high, and so must that of the network (loopback
// takes all). Default 65000 ([DefaultMaxPacketSize]); 512 to 65507 are allowed.
func WithMaxPacketSize(bytes int) OptionFunc {
	return func(c *config) error {
		if bytes < minPacketSize || bytes > maxPacketSize {
			return fmt.Errorf("packet size %d: want %d to %d bytes", bytes, minPacketSize, maxPacketSize)
		}
		c.maxPacketSize = bytes
		return nil
	}
}

func newConfig(oo []OptionFunc) (config, error) {
	c := config{maxPacketSize: DefaultMaxPacketSize}
	var errs []error
	for i, o := range oo {
		if o == nil {
			errs = append(errs, fmt.Errorf("option %d is nil", i))
			continue
		}
		errs = append(errs, o(&c))
	}
	return c, errors.Join(errs...)
}
