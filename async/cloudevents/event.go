package cloudevents

import (
	"errors"
	"fmt"
	"maps"
	"mime"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/beatlabs/patron/reliability"
)

// SpecVersion is the version of the specification that this package reads and writes.
const SpecVersion = "1.0"

// Event is a CloudEvent. ID, Source and Type are required; source and ID together are unique.
type Event struct {
	ID              string
	Source          string // URI-reference of what the event comes from
	Type            string
	Subject         string            // what the event is about, in the source; "": not said
	Time            time.Time         // when it happened; zero: not said
	DataContentType string            // media type of Data; "": JSON
	DataSchema      string            // absolute URI of the schema of Data; "": not said
	Extensions      map[string]string // further attributes
	Data            []byte            // the payload, as its media type has it
}

// The names of the attributes.
const (
	nameID              = "id"
	nameSource          = "source"
	nameSpecVersion     = "specversion"
	nameType            = "type"
	nameSubject         = "subject"
	nameTime            = "time"
	nameDataContentType = "datacontenttype"
	nameDataSchema      = "dataschema"
	nameData            = "data"
	namePartitionKey    = "partitionkey" // the extension that a binding may take the key from
	nameTraceParent     = "traceparent"
	nameTraceState      = "tracestate"
)

// longestName is how long the name of an attribute may be.
const longestName = 20

// Validate says everything that is wrong with the event, joined, or returns nil. The error is permanent.
func (e *Event) Validate() error {
	var errs []error
	for _, required := range [...]struct{ name, value string }{{nameID, e.ID}, {nameSource, e.Source}, {nameType, e.Type}} {
		if required.value == "" {
			errs = append(errs, fmt.Errorf("attribute %s is required", required.name))
		}
	}
	for _, a := range e.attributes() {
		errs = append(errs, checkText(a.name, a.value))
	}
	if _, err := url.Parse(e.Source); err != nil {
		errs = append(errs, fmt.Errorf("attribute %s %q: want a URI-reference", nameSource, e.Source))
	}
	if e.DataSchema != "" {
		if u, err := url.Parse(e.DataSchema); err != nil || !u.IsAbs() {
			errs = append(errs, fmt.Errorf("attribute %s %q: want an absolute URI", nameDataSchema, e.DataSchema))
		}
	}
	if y := e.Time.UTC().Year(); y < 0 || y > 9999 {
		errs = append(errs, fmt.Errorf("attribute %s %v: want a year that RFC 3339 can write", nameTime, e.Time))
	}
	if e.DataContentType != "" {
		if _, _, err := mime.ParseMediaType(e.DataContentType); err != nil {
			errs = append(errs, fmt.Errorf("attribute %s %q: want a media type: %w", nameDataContentType, e.DataContentType, err))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(e.Extensions)) {
		errs = append(errs, checkExtension(name))
	}
	if err := errors.Join(errs...); err != nil {
		return reliability.Permanent(fmt.Errorf("cloudevents: %w", err))
	}
	return nil
}

// attribute is a name and a value.
type attribute struct{ name, value string }

// attributes returns what is set, but for the content type of the data and what is wrong by name: the required ones in front, extensions in order of their
// names.
func (e *Event) attributes() []attribute {
	aa := make([]attribute, 0, 7+len(e.Extensions))
	add := func(name, value string) {
		if value != "" {
			aa = append(aa, attribute{name, value})
		}
	}
	add(nameSpecVersion, SpecVersion)
	add(nameID, e.ID)
	add(nameSource, e.Source)
	add(nameType, e.Type)
	add(nameSubject, e.Subject)
	if !e.Time.IsZero() {
		add(nameTime, e.Time.UTC().Format(time.RFC3339Nano))
	}
	add(nameDataSchema, e.DataSchema)
	for _, name := range slices.Sorted(maps.Keys(e.Extensions)) {
		add(name, e.Extensions[name])
	}
	return aa
}

// checkText says whether value is a string that an attribute may have.
func checkText(name, value string) error {
	if !utf8.ValidString(value) {
		return fmt.Errorf("attribute %s %q: want UTF-8", name, value)
	}
	for _, r := range value {
		if r < 0x20 || r >= 0x7f && r <= 0x9f || r&0xfffe == 0xfffe || r >= 0xfdd0 && r <= 0xfdef {
			return fmt.Errorf("attribute %s %q: want no control characters", name, value)
		}
	}
	return nil
}

// checkName says whether name may be that of an attribute.
func checkName(name string) error {
	odd := strings.ContainsFunc(name, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') })
	if odd || name == "" || len(name) > longestName {
		return fmt.Errorf("attribute %q: want a name of 1 to %d of a-z and 0-9", name, longestName)
	}
	return nil
}

// checkExtension says whether name may be that of an extension.
func checkExtension(name string) error {
	switch name {
	case nameID, nameSource, nameSpecVersion, nameType, nameSubject, nameTime, nameDataContentType, nameDataSchema, nameData:
		return fmt.Errorf("extension %s: it is the name of an attribute", name)
	default:
		return checkName(name)
	}
}

// set gives the attribute with name a value, as a foreign side wrote it.
func (e *Event) set(name, value string) error {
	if err := checkText(name, value); err != nil {
		return err
	}
	switch name {
	case nameID:
		e.ID = value
	case nameSource:
		e.Source = value
	case nameType:
		e.Type = value
	case nameSubject:
		e.Subject = value
	case nameDataContentType:
		e.DataContentType = value
	case nameDataSchema:
		e.DataSchema = value
	case nameSpecVersion:
		if value != SpecVersion {
			return fmt.Errorf("attribute %s %q: want %s", name, value, SpecVersion)
		}
	case nameTime:
		t, err := time.Parse(time.RFC3339Nano, strings.ToUpper(value))
		if err != nil {
			return fmt.Errorf("attribute %s %q: want RFC 3339", name, value)
		}
		e.Time = t
	default:
		if err := checkExtension(name); err != nil {
			return err
		}
		if value == "" {
			return nil // the same as absent
		}
		if e.Extensions == nil {
			e.Extensions = make(map[string]string)
		}
		e.Extensions[name] = value
	}
	return nil
}
