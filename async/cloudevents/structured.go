package cloudevents

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"mime"
	"slices"
	"strconv"
	"strings"
)

// nameDataBase64 is the member that holds data that is no text.
const nameDataBase64 = "data_base64"

// readStructured reads an event that is the whole body, in the JSON format.
func readStructured(contentType string, body []byte) (Event, error) {
	media, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return Event{}, fmt.Errorf("cloudevents: content type %q: %w", contentType, err)
	}
	if media != "application/cloudevents+json" {
		return Event{}, fmt.Errorf("cloudevents: content type %q: want application/cloudevents+json, or the attributes in headers", contentType)
	}
	if charset := params["charset"]; charset != "" && !strings.EqualFold(charset, "utf-8") {
		return Event{}, fmt.Errorf("cloudevents: content type %q: want UTF-8", contentType)
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil {
		return Event{}, fmt.Errorf("cloudevents: structured mode: %w", err)
	}
	if _, ok := members[nameSpecVersion]; !ok {
		return Event{}, ErrNotEvent
	}
	e, err := readMembers(members)
	if err != nil {
		return Event{}, fmt.Errorf("cloudevents: structured mode: %w", err)
	}
	return e, nil
}

func readMembers(members map[string]json.RawMessage) (Event, error) {
	var e Event
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if name == nameData || name == nameDataBase64 {
			continue
		}
		value, err := readValue(members[name])
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("attribute %s: %w", name, err))
		default:
			errs = append(errs, e.set(name, value))
		}
	}
	errs = append(errs, e.readData(members))
	return e, errors.Join(errs...)
}

// readValue returns the text of an attribute: numbers and truth values have a canonical one, and null is as good as absent.
func readValue(raw json.RawMessage) (string, error) {
	var v any
	d := json.NewDecoder(strings.NewReader(string(raw)))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return "", err
	}
	switch v := v.(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	case bool:
		return strconv.FormatBool(v), nil
	case json.Number:
		if _, err := strconv.ParseInt(v.String(), 10, 32); err != nil {
			return "", fmt.Errorf("number %s: want an integer of 32 bits", v)
		}
		return v.String(), nil
	default:
		return "", fmt.Errorf("%.40s: want a string, an integer or a truth value", raw)
	}
}

// readData takes the data out of members. It is the JSON value as it stands, unless the content type is not JSON and the value is a string: then its text.
func (e *Event) readData(members map[string]json.RawMessage) error {
	data, hasData := members[nameData]
	encoded, hasEncoded := members[nameDataBase64]
	switch {
	case hasData && hasEncoded:
		return errors.New("there are both data and data_base64")
	case hasEncoded:
		var text string
		if err := json.Unmarshal(encoded, &text); err != nil {
			return fmt.Errorf("data_base64: %w", err)
		}
		decoded, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return fmt.Errorf("data_base64: %w", err)
		}
		e.Data = decoded
		return nil
	case !hasData || string(data) == "null" && !isJSON(e.DataContentType):
		return nil
	}
	var text string
	if !isJSON(e.DataContentType) && json.Unmarshal(data, &text) == nil {
		e.Data = []byte(text)
		return nil
	}
	e.Data = data
	return nil
}

func isJSON(contentType string) bool {
	if contentType == "" {
		return true
	}
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && (strings.HasSuffix(media, "/json") || strings.HasSuffix(media, "+json"))
}
