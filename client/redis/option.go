package redis

import (
	"errors"
	"fmt"
)

// MaxOperations is how many commands have a name of their own in spans and metrics of a client.
const MaxOperations = 200

// OptionFunc changes how a client is seen. It checks its value.
type OptionFunc func(*config) error

type config struct {
	pool    string // "": the address
	textOff bool
}

func newConfig(oo []OptionFunc) (*config, error) {
	c := &config{}
	var errs []error
	for i, o := range oo {
		if o == nil {
			errs = append(errs, fmt.Errorf("option %d is nil", i))
			continue
		}
		errs = append(errs, o(c))
	}
	return c, errors.Join(errs...)
}

// WithPoolName sets the label db_client_connection_pool_name. Clients with the same name are added up. The default is the address and the number of the
// database, as in cache:6379/0.
func WithPoolName(name string) OptionFunc {
	return func(c *config) error {
		if name == "" {
			return errors.New("pool name is empty")
		}
		c.pool = name
		return nil
	}
}

// WithoutQueryText leaves the text of commands out of spans; their names stay.
func WithoutQueryText() OptionFunc {
	return func(c *config) error {
		c.textOff = true
		return nil
	}
}
