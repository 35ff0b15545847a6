package sarama

import (
	"context"
	"fmt"
	"time"

	"github.com/IBM/sarama"
	"github.com/beatlabs/patron/async"
)

// Member is what a test may see of a consumer.
type Member struct{ c *consumer }

// MemberOf returns what is behind a consumer of this package.
func MemberOf(c async.Consumer) Member { return Member{c: c.(*consumer)} }

// Closed reports whether it was closed.
func (m Member) Closed() bool {
	m.c.mu.Lock()
	defer m.c.mu.Unlock()
	return m.c.closing
}

// Owned returns how many partitions it has, those of retry topics included.
func (m Member) Owned() int {
	m.c.mu.Lock()
	defer m.c.mu.Unlock()
	return len(m.c.claims)
}

func (m Member) generation() (sarama.ConsumerGroupSession, int32) {
	m.c.mu.Lock()
	defer m.c.mu.Unlock()
	if m.c.session == nil {
		return nil, -1
	}
	return m.c.session, m.c.session.GenerationID()
}

// Rejoin ends the session, so that all partitions are revoked, and waits for the next one.
func (m Member) Rejoin(ctx context.Context) {
	session, _ := m.generation()
	if session == nil {
		return
	}
	m.c.mu.Lock()
	m.c.restart()
	m.c.mu.Unlock()
	m.await(ctx, session)
}

// ThrowOut takes the member out of its group without its knowing, and waits for its next session.
func (m Member) ThrowOut(ctx context.Context) error {
	session, _ := m.generation()
	if session == nil {
		return nil
	}
	b, err := m.c.books.get()
	if err != nil {
		return err
	}
	resp, err := b.LeaveGroup(&sarama.LeaveGroupRequest{Version: 3, GroupId: m.c.factory.group, Members: []sarama.MemberIdentity{{MemberId: session.MemberID()}}})
	if err != nil {
		return err
	}
	if resp.Err != sarama.ErrNoError {
		return fmt.Errorf("leave: %w", resp.Err)
	}
	m.await(ctx, session)
	return nil
}

func (m Member) await(ctx context.Context, old sarama.ConsumerGroupSession) {
	for ctx.Err() == nil && !m.Closed() {
		if session, _ := m.generation(); session != nil && session != old {
			return
		}
		timer := time.NewTimer(5 * time.Millisecond)
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// Kill ends the consumer as the death of its process does: nothing is committed any more, and the group is not left.
func (m Member) Kill() {
	m.c.net.close()
	m.c.link.net.close()
	m.c.end()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = m.c.Close(ctx)
}
