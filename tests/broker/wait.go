package broker

import (
	"context"
	"sync"
	"time"
)

// until asks again and again until the answer is true or an error, or the context ends.
func until(ctx context.Context, every time.Duration, done func() (bool, error)) error {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// inParallel does something with all of them at once and returns the errors in their order.
func inParallel[T any](all []T, do func(T) error) []error {
	errs := make([]error, len(all))
	var wg sync.WaitGroup
	for i, one := range all {
		wg.Go(func() { errs[i] = do(one) })
	}
	wg.Wait()
	return errs
}
