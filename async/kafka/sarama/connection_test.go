package sarama_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/kafka/sarama"
	"github.com/twmb/franz-go/pkg/kfake"
)

// exchange sends a message and receives it, and returns the first error.
func exchange(ctx context.Context, brokers []string, oo ...sarama.OptionFunc) error {
	p, err := sarama.NewProducer(brokers, "orders", oo...)
	if err != nil {
		return err
	}
	err = p.Send(ctx, &async.Message{Data: []byte("x")})
	if closing := p.Close(ctx); err != nil || closing != nil {
		return err
	}
	f, err := sarama.New(brokers, "billing", []string{"orders"}, oo...)
	if err != nil {
		return err
	}
	c, err := f.Create(ctx)
	if err != nil {
		return err
	}
	_, err = c.Receive(ctx, 1)
	if closing := c.Close(ctx); err == nil {
		err = closing
	}
	return err
}

func TestClientsAuthenticate(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		mechanism string
		with      func(user, password string) sarama.OptionFunc
	}{
		"PLAIN":         {"PLAIN", sarama.WithPlain},
		"SCRAM-SHA-256": {"SCRAM-SHA-256", sarama.WithSCRAM256},
		"SCRAM-SHA-512": {"SCRAM-SHA-512", sarama.WithSCRAM512},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "orders"), kfake.EnableSASL(),
				kfake.Superuser(tc.mechanism, "alice", "right-word"))
			if err != nil {
				t.Fatal(err)
			}
			defer cluster.Close()
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()

			if err := exchange(ctx, cluster.ListenAddrs(), tc.with("alice", "right-word")); err != nil {
				t.Errorf("with the password: %v", err)
			}
			err = exchange(ctx, cluster.ListenAddrs(), tc.with("alice", "wrong-word"))
			if err == nil || strings.Contains(err.Error(), "wrong-word") || strings.Contains(err.Error(), "right-word") {
				t.Errorf("with another password: got %v, want an error that does not tell it", err)
			}
		})
	}
}

func TestClientsSpeakTLS(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(nil) // for its certificate, which is for 127.0.0.1
	defer server.Close()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "orders"), kfake.TLS(&tls.Config{Certificates: server.TLS.Certificates}))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())

	if err := exchange(ctx, cluster.ListenAddrs(), sarama.WithTLS(&tls.Config{RootCAs: roots})); err != nil {
		t.Errorf("with the root: %v", err)
	}
	if err := exchange(ctx, cluster.ListenAddrs(), sarama.WithTLS(&tls.Config{RootCAs: x509.NewCertPool()})); err == nil {
		t.Error("without the root: got no error")
	}
}
