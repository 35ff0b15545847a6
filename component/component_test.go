package component_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/beatlabs/patron/component"
)

// run is the smallest component. Snippet 1 of the seeds document: any type with Run is a component.
type run func(ctx context.Context) error

func (r run) Run(ctx context.Context) error { return r(ctx) }

var _ component.Component = run(nil)

func TestCriticalMarksAnError(t *testing.T) {
	t.Parallel()
	cause := errors.New("database gone")
	for name, tt := range map[string]struct {
		err      error
		critical bool
		text     string
	}{
		"marked":                 {err: component.Critical(cause), critical: true, text: "database gone"},
		"marked twice":           {err: component.Critical(component.Critical(cause)), critical: true, text: "database gone"},
		"wrapped after the mark": {err: fmt.Errorf("orders: %w", component.Critical(cause)), critical: true, text: "orders: database gone"},
		"wrapped before":         {err: component.Critical(fmt.Errorf("orders: %w", cause)), critical: true, text: "orders: database gone"},
		"joined":                 {err: errors.Join(cause, component.Critical(cause)), critical: true, text: "database gone\ndatabase gone"},
		"not marked":             {err: cause, text: "database gone"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := component.IsCritical(tt.err); got != tt.critical {
				t.Errorf("IsCritical(%v): got %t, want %t", tt.err, got, tt.critical)
			}
			if got := tt.err.Error(); got != tt.text {
				t.Errorf("the text: got %q, want %q", got, tt.text)
			}
			if !errors.Is(tt.err, cause) {
				t.Errorf("errors.Is(%v, cause): got false, want true", tt.err)
			}
		})
	}
}

func TestNoErrorIsNotCritical(t *testing.T) {
	t.Parallel()
	if err := component.Critical(nil); err != nil {
		t.Errorf("Critical(nil): got %v, want nil", err)
	}
	if component.IsCritical(nil) {
		t.Error("IsCritical(nil): got true, want false")
	}
}
