package drain

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// effect is a line of the effects file.
type effect struct {
	Invoice  string    `json:"invoice"`
	Customer string    `json:"customer"`
	Outcome  string    `json:"outcome"`
	Attempts int       `json:"attempts"`
	Time     time.Time `json:"time"`
}

// effectFields are the fields of a line, all of them and no others, in alphabetical order.
var effectFields = []string{"attempts", "customer", "invoice", "outcome", "time"} //nolint:gochecknoglobals // never changed

// parseEffects reads the lines of an effects file, and says all that is wrong with them. Lines that are wrong are left out.
func parseEffects(content []byte) ([]effect, []error) {
	var effects []effect
	var errs []error
	for number := 1; len(content) > 0; number++ {
		line, rest, whole := bytes.Cut(content, []byte("\n"))
		content = rest
		e, err := parseEffect(line)
		if !whole {
			err = errors.Join(errors.New("torn: it has no end"), err)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("effects: line %d: %w: %.200q", number, err, line))
			continue
		}
		effects = append(effects, e)
	}
	return effects, errs
}

func parseEffect(line []byte) (effect, error) {
	var e effect
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(line, &fields); err != nil {
		return e, err
	}
	var names []string
	for name := range fields {
		names = append(names, name)
	}
	slices.Sort(names)
	if !slices.Equal(names, effectFields) || bytes.Count(line, []byte(`":`)) != len(effectFields) {
		return e, fmt.Errorf("fields %v, want %v, each once", names, effectFields)
	}
	if err := json.Unmarshal(line, &e); err != nil {
		return e, err
	}
	if !strings.HasSuffix(string(fields["time"]), `Z"`) {
		return e, errors.New("the time is not in UTC")
	}
	return e, nil
}
