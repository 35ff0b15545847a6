package sarama

import (
	"time"

	"github.com/IBM/sarama"
)

// version is the protocol that is spoken unless [WithClientConfig] says otherwise: what everything here needs, and what brokers since 2021 know.
var version = sarama.V2_8_0_0

// How patient the client is with a broker that does not answer, or is not the right one. It tries again for ever above that, in our loops.
const (
	clientRetries   = 3
	clientBackoff   = 100 * time.Millisecond
	producerRetries = 10
	readTimeout     = 10 * time.Second
	rejoinBackoff   = 50 * time.Millisecond
)

// client returns the configuration of the client library.
func (c *config) client(n *network) *sarama.Config {
	s := sarama.NewConfig()
	s.Version = version
	if c.clientID != "" {
		s.ClientID = c.clientID
	}
	s.MetricRegistry = newSilence()
	s.Net.DialTimeout, s.Net.ReadTimeout, s.Net.WriteTimeout = dialTimeout, max(readTimeout, c.rebalance+readTimeout/2), readTimeout
	s.Metadata.Retry.Max, s.Metadata.Retry.Backoff = clientRetries, clientBackoff
	s.Metadata.AllowAutoTopicCreation = false
	s.Admin.Retry.Max, s.Admin.Retry.Backoff = clientRetries, clientBackoff
	if c.tls != nil {
		s.Net.TLS.Enable, s.Net.TLS.Config = true, c.tls.Clone()
	}
	if c.mechanism != "" {
		s.Net.SASL.Enable, s.Net.SASL.Mechanism, s.Net.SASL.User, s.Net.SASL.Password = true, c.mechanism, c.user, c.password
		if c.mechanism != sarama.SASLTypePlaintext {
			s.Net.SASL.SCRAMClientGeneratorFunc = func() sarama.SCRAMClient { return newSCRAM(c.mechanism) }
		}
	}

	g := &s.Consumer.Group
	g.Session.Timeout, g.Heartbeat.Interval, g.Rebalance.Timeout = c.session, c.heartbeat, c.rebalance
	g.Rebalance.Retry.Backoff = rejoinBackoff
	g.Rebalance.GroupStrategies = []sarama.BalanceStrategy{sarama.NewBalanceStrategyCooperativeSticky()}
	g.InstanceId = c.instanceID
	s.RackID = c.rack
	s.Consumer.Retry.Backoff = clientBackoff
	s.Consumer.MaxWaitTime = 250 * time.Millisecond
	if c.partFetch > 0 {
		s.Consumer.Fetch.Default = c.partFetch
	}

	s.Producer.Retry.Max, s.Producer.Retry.Backoff = producerRetries, clientBackoff
	s.Producer.MaxMessageBytes = c.maxBytes

	for _, set := range c.raw {
		set(s)
	}

	// What the contract stands on.
	s.Net.Proxy.Enable, s.Net.Proxy.Dialer = true, n
	s.Consumer.Return.Errors = true
	s.Consumer.Offsets.AutoCommit.Enable = false
	s.Consumer.Offsets.Initial = sarama.OffsetOldest
	g.ResetInvalidOffsets = false
	s.Consumer.IsolationLevel = sarama.ReadCommitted
	if c.uncommitted {
		s.Consumer.IsolationLevel = sarama.ReadUncommitted
	}
	s.Producer.Return.Successes, s.Producer.Return.Errors = true, true
	s.Producer.RequiredAcks, s.Producer.Idempotent, s.Net.MaxOpenRequests = sarama.WaitForAll, true, 1
	s.Producer.Partitioner = newPartitioner
	return s
}
