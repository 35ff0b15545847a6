package sqs

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"
)

// Headers of what SNS knows of a message in an envelope.
const (
	HeaderTopic   = "Sns-Topic-Arn"
	HeaderSubject = "Sns-Subject" // absent: the message has none
)

// notification is the envelope of SNS.
type notification struct {
	Type       string                       `json:"Type"`
	MessageID  string                       `json:"MessageId"`
	TopicARN   string                       `json:"TopicArn"`
	Subject    *string                      `json:"Subject"`
	Message    *string                      `json:"Message"`
	Timestamp  string                       `json:"Timestamp"`
	Attributes map[string]notifiedAttribute `json:"MessageAttributes"`
}

// notifiedAttribute is one of its attributes.
type notifiedAttribute struct {
	Type  string `json:"Type"`
	Value string `json:"Value"` // of Binary: base64
}

// unwrap returns what is in body if that is an envelope.
func unwrap(body string, envelope Envelope) (content, bool) {
	// Parsing what is none would cost more than everything else.
	if trimmed := strings.TrimLeft(body, " \t\r\n"); trimmed == "" || trimmed[0] != '{' || !strings.Contains(body, `"Message"`) {
		return content{}, false
	}
	if envelope == EnvelopeAuto && (!strings.Contains(body, `"TopicArn"`) || !strings.Contains(body, `"Notification"`)) {
		return content{}, false
	}
	var n notification
	if err := json.Unmarshal([]byte(body), &n); err != nil || n.Message == nil {
		return content{}, false
	}
	if envelope == EnvelopeAuto && (n.Type != "Notification" || n.MessageID == "" || !strings.HasPrefix(n.TopicARN, "arn:")) {
		return content{}, false
	}
	c := content{id: n.MessageID, body: *n.Message}
	if t, err := time.Parse(time.RFC3339Nano, n.Timestamp); err == nil {
		c.sent = t
	}
	for name, a := range n.Attributes {
		value := a.Value
		if a.Type == "Binary" {
			if data, err := base64.StdEncoding.DecodeString(value); err == nil {
				value = string(data)
			}
		}
		c.headers = append(c.headers, attribute{name: name, value: value})
	}
	c.headers = arranged(c.headers)
	if n.TopicARN != "" {
		c.headers = append(c.headers, attribute{name: HeaderTopic, value: n.TopicARN})
	}
	if n.Subject != nil && *n.Subject != "" {
		c.headers = append(c.headers, attribute{name: HeaderSubject, value: *n.Subject})
	}
	return c, true
}
