package componenttest

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/beatlabs/patron/component"
)

// describesItself checks what the component says of itself before, while and after it runs.
func describesItself(_ testing.TB, s *subject) error {
	before := name(s.component)
	if before == "" {
		return errors.New("String: got an empty name")
	}
	if err := s.informs(); err != nil {
		return fmt.Errorf("before Start: %w", err)
	}
	l, err := s.running(longGrace)
	if err != nil {
		return err
	}
	defer l.release()
	if err := s.informs(); err != nil {
		return fmt.Errorf("while it runs: %w", err)
	}
	if checker, ok := s.component.(component.Checker); ok {
		if stuck, ok := errors.AsType[*stuckError](s.check(ended(), checker)); ok {
			return fmt.Errorf("with a context that has ended: %w", stuck)
		}
	}
	l.stop()
	if err := l.returned(s.config.timeout); err != nil {
		return err
	}
	if after := name(s.component); after != before {
		return fmt.Errorf("String: got %q, then %q: want one name for good", before, after)
	}
	if err := s.informs(); err != nil {
		return fmt.Errorf("after Run: %w", err)
	}
	return nil
}

// informs checks Info, if there is one.
func (s *subject) informs() error {
	informer, ok := s.component.(component.Informer)
	if !ok {
		return nil
	}
	info := informer.Info()
	if _, err := json.Marshal(info); err != nil {
		return fmt.Errorf("Info: cannot be encoded: %w", err)
	}
	if info == nil {
		return nil
	}
	const mark = "componenttest"
	info[mark] = true
	if _, shared := informer.Info()[mark]; shared {
		return errors.New("Info: gives away a map that it keeps, want one for each call")
	}
	return nil
}
