package main

import (
	"context"
	"strings"
	"testing"
	"time"
)

// played makes a run with a broker of its own.
func played(t *testing.T, args string) (setting, verdict) {
	t.Helper()
	if testing.Short() {
		t.Skip("it starts a broker and kills it")
	}
	s, err := parseSetting(strings.Fields(args), t.Output())
	if err != nil {
		t.Fatal(err)
	}
	s.dir = t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	v, err := chaos(ctx, s, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	return s, v
}

// few is how many messages may come twice in a short run: for each kill as many as a process has in its hands at most.
func few(s setting) float64 {
	twice := s.brokerKills*(s.producers*s.workers+s.consumers*s.held) + s.consumerKills*s.held
	return float64(twice) / float64(s.messages)
}

const kills = " -messages 4000 -broker-kills 2 -consumer-kills 2 -leaves 1"

func TestNothingIsLostWhenConsumersAndTheBrokerAreKilledOnRealRabbitMQ(t *testing.T) {
	t.Parallel()
	s, v := played(t, "-broker rabbitmq"+kills)
	if err := v.err(few(s), 0); err != nil || v.Confirmed != s.messages {
		t.Errorf("got %v: %v", v, err)
	}
}

func TestNothingIsLostWhenConsumersAndTheBrokerAreKilledOnRealKafka(t *testing.T) {
	t.Parallel()
	s, v := played(t, "-broker kafka"+kills)
	if err := v.err(few(s), 0); err != nil || v.Confirmed != s.messages {
		t.Errorf("got %v: %v", v, err)
	}
}

func TestAConsumerThatSettlesBeforeTheEffectIsFoundOutOnRealRabbitMQ(t *testing.T) {
	t.Parallel()
	_, v := played(t, "-broker rabbitmq -wrong settle-first -messages 2000 -broker-kills 0 -consumer-kills 3 -leaves 0 -patience 8s -workers 32 -held 256")
	if v.Lost == 0 {
		t.Errorf("got %v, want messages that are lost", v)
	}
}

// It is kept apart from the others: the nodes of a cluster that gets no processor look dead to each other.
func TestAProducerThatAsksOneReplicaIsFoundOutOnRealKafka(t *testing.T) {
	// not parallel: three nodes want the machine for themselves
	_, v := played(t, "-broker kafka3 -wrong acks1 -messages 4000 -broker-kills 1 -consumer-kills 0 -leaves 0 -patience 20s -workers 16")
	if v.Lost == 0 {
		t.Errorf("got %v, want messages that are lost", v)
	}
}
