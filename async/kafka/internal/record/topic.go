package record

import (
	"strconv"
	"strings"
)

// DeadTopic is the name of the dead-letter topic of a topic, for a group; an empty group is none.
func DeadTopic(topic, group string) string { return prefix(topic, group) + "dead" }

// RetryTopic is the name of the retry topic of a topic for a group and the delay of that index.
func RetryTopic(topic, group string, index int) string {
	return prefix(topic, group) + retry + strconv.Itoa(index)
}

const retry = "retry."

func prefix(topic, group string) string {
	if group == "" {
		return topic + "."
	}
	return topic + "." + group + "."
}

// RetryOf returns the topic and the index of a retry topic of group. It reports false for any other topic.
func RetryOf(name, group string) (topic string, index int, ok bool) {
	at := strings.LastIndexByte(name, '.')
	if at < 0 {
		return "", 0, false
	}
	index, err := strconv.Atoi(name[at+1:])
	if err != nil || index < 0 || name[at+1:] != strconv.Itoa(index) {
		return "", 0, false
	}
	topic, ok = strings.CutSuffix(name[:at], prefix("", group)+retry[:len(retry)-1])
	return topic, index, ok && topic != ""
}

// Ours reports whether name looks like a retry or dead-letter topic of any group: a pattern that is meant for topics must not bring those.
func Ours(name string) bool {
	if strings.HasSuffix(name, ".dead") {
		return true
	}
	at := strings.LastIndexByte(name, '.')
	if at < 0 || !strings.HasSuffix(name[:at], ".retry") {
		return false
	}
	_, err := strconv.ParseUint(name[at+1:], 10, 31)
	return err == nil
}
