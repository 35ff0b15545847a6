package sarama

import (
	"errors"
	"fmt"
	"sync"

	"github.com/IBM/sarama"
)

// coordinator speaks with the broker that keeps the offsets of a group, over a connection of its own: on that of the group a commit would wait behind a join.
type coordinator struct {
	client sarama.Client
	group  string

	mu     sync.Mutex // guards broker
	broker *sarama.Broker
}

func newCoordinator(client sarama.Client, group string) *coordinator {
	return &coordinator{client: client, group: group}
}

// get returns a connection.
func (o *coordinator) get() (*sarama.Broker, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.broker != nil {
		return o.broker, nil
	}
	at, err := o.client.Coordinator(o.group)
	if err != nil {
		return nil, fmt.Errorf("find the coordinator: %w", err)
	}
	b := sarama.NewBroker(at.Addr())
	if err := b.Open(o.client.Config()); err != nil {
		return nil, fmt.Errorf("connect to the coordinator: %w", err)
	}
	if _, err := b.Connected(); err != nil {
		_ = o.client.RefreshCoordinator(o.group) // it may be another one by now
		return nil, fmt.Errorf("connect to the coordinator: %w", err)
	}
	o.broker = b
	return b, nil
}

// drop forgets a connection that failed, or that is one to the wrong broker.
func (o *coordinator) drop(b *sarama.Broker) {
	o.mu.Lock()
	if o.broker == b {
		o.broker = nil
	}
	o.mu.Unlock()
	_ = b.Close()                            // it may be closed already
	_ = o.client.RefreshCoordinator(o.group) // the next try says what is wrong
}

func (o *coordinator) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.broker != nil {
		_ = o.broker.Close() // it may be closed already
		o.broker = nil
	}
}

// committed is what is kept for a partition.
type committed struct {
	offset   int64 // -1: nothing
	epoch    int32
	metadata string
}

// fetch returns what is committed for partitions; for those without a commit the offset is -1.
func (o *coordinator) fetch(partitions map[string][]int32) (map[place]committed, error) {
	for retries := clientRetries; ; retries-- {
		found, err := o.fetchOnce(partitions)
		if err == nil || retries == 0 {
			return found, err
		}
	}
}

func (o *coordinator) fetchOnce(partitions map[string][]int32) (map[place]committed, error) {
	b, err := o.get()
	if err != nil {
		return nil, err
	}
	req := sarama.NewOffsetFetchRequest(o.client.Config().Version, o.group, partitions)
	resp, err := b.FetchOffset(req)
	if err != nil {
		o.drop(b)
		return nil, fmt.Errorf("fetch committed offsets: %w", err)
	}
	found := make(map[place]committed)
	err = answered(resp.Err)
	for topic, numbers := range partitions {
		for _, n := range numbers {
			block := resp.GetBlock(topic, n)
			if block == nil {
				err = errors.Join(err, fmt.Errorf("%s/%d: %w", topic, n, sarama.ErrIncompleteResponse))
				continue
			}
			err = errors.Join(err, answered(block.Err))
			found[place{topic, n}] = committed{offset: block.Offset, epoch: block.LeaderEpoch, metadata: block.Metadata}
		}
	}
	if err != nil {
		if moved(err) {
			o.drop(b)
		}
		return nil, fmt.Errorf("fetch committed offsets: %w", err)
	}
	return found, nil
}

// answered returns a code as an error, or nil.
func answered(code sarama.KError) error {
	if code == sarama.ErrNoError {
		return nil
	}
	return code
}

// moved reports whether err says that the group is kept by another broker.
func moved(err error) bool {
	return errors.Is(err, sarama.ErrNotCoordinatorForConsumer) || errors.Is(err, sarama.ErrConsumerCoordinatorNotAvailable)
}

// heartbeat asks whether the group still knows the member of a session.
func (o *coordinator) heartbeat(session sarama.ConsumerGroupSession) error {
	b, err := o.get()
	if err != nil {
		return err
	}
	req := &sarama.HeartbeatRequest{Version: 2, GroupId: o.group, MemberId: session.MemberID(), GenerationId: session.GenerationID()}
	if id := o.client.Config().Consumer.Group.InstanceId; id != "" {
		req.Version, req.GroupInstanceId = 3, &id
	}
	resp, err := b.Heartbeat(req)
	if err != nil {
		o.drop(b)
		return err
	}
	return answered(resp.Err)
}

// entry is one partition of a commit.
type entry struct {
	place
	committed
}

// commit commits for a member of the group, and returns the error of each partition by its index; the error is that of all.
func (o *coordinator) commit(session sarama.ConsumerGroupSession, entries []entry) ([]error, error) {
	b, err := o.get()
	if err != nil {
		return nil, err
	}
	conf := o.client.Config()
	req := sarama.NewOffsetCommitRequest(conf, o.group)
	req.ConsumerID, req.ConsumerGroupGeneration = session.MemberID(), session.GenerationID()
	if id := conf.Consumer.Group.InstanceId; id != "" && req.Version >= 7 {
		req.GroupInstanceId = &id
	}
	for _, e := range entries {
		req.AddBlockWithLeaderEpoch(e.topic, e.partition, e.offset, e.epoch, 0, e.metadata)
	}
	resp, err := b.CommitOffset(req)
	if err != nil {
		o.drop(b)
		return nil, err
	}
	errs := make([]error, len(entries))
	for i, e := range entries {
		code, ok := resp.Errors[e.topic][e.partition]
		switch {
		case !ok:
			errs[i] = sarama.ErrIncompleteResponse
		case code != sarama.ErrNoError:
			errs[i] = code
		}
		if errs[i] != nil && moved(errs[i]) {
			o.drop(b)
		}
	}
	return errs, nil
}
