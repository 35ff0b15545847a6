package broker

import (
	"io"
	"net"
	"strings"
	"testing"
)

// says is a server that says something to whoever connects, after it has read something if it is not the first to speak, and closes.
func says(t *testing.T, answer string, first bool) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		if !first {
			if _, err := conn.Read(make([]byte, 1<<10)); err != nil {
				return
			}
		}
		_, _ = io.WriteString(conn, answer)
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	return l.Addr().String()
}

func TestOnlyWhatServesAnswersAProbe(t *testing.T) {
	t.Parallel()
	const postgres = "R\x00\x00\x00\x08\x00\x00\x00\x00S\x00\x00\x00\x19server_version\x0015.18\x00Z\x00\x00\x00\x05I"
	const http = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"
	for name, c := range map[string]struct {
		kind    Kind
		answer  string
		version string
		err     string // "" is none
	}{
		"kafka":                   {kind: Kafka, answer: "\x00\x00\x00\x0apatr\x00\x00\x00\x00\x00\x00"},
		"kafka in trouble":        {kind: Kafka, answer: "\x00\x00\x00\x06patr\x00\x0f", err: "error 15"},
		"kafka, but another":      {kind: Kafka, answer: "\x00\x00\x00\x06abcd\x00\x00", err: "does not speak"},
		"kafka, but HTTP":         {kind: Kafka, answer: http, err: "another protocol"},
		"kafka, cut off":          {kind: Kafka, answer: "\x00\x00\x00\x0apatr", err: "unexpected EOF"},
		"rabbitmq, cut off":       {kind: RabbitMQ, answer: "\x01\x00\x00\x00\x00\x00\x15\x00\x0a\x00\x0a..\x07versionS\x00\x00\x00\x014", err: "unexpected EOF"},
		"rabbitmq 4":              {kind: RabbitMQ, answer: "\x01\x00\x00\x00\x00\x00\x13\x00\x0a\x00\x0a.\x07versionS\x00\x00\x00\x014\xce", version: "4"},
		"rabbitmq, odd":           {kind: RabbitMQ, answer: "\x01\x00\x00\x00\x00\x00\x12\x00\x0a\x00\x0a.\x07versionS\x00\x00\xff\x00\xce"},
		"rabbitmq, but another":   {kind: RabbitMQ, answer: "AMQP\x00\x01\x00\x00", err: "does not speak AMQP 0-9-1"},
		"redis":                   {kind: Redis, answer: "$30\r\n# Server\r\nredis_version:7.0.15\r\n", version: "7.0.15"},
		"redis that starts":       {kind: Redis, answer: "-LOADING Redis is loading the dataset in memory\r\n", err: "LOADING"},
		"redis with a password":   {kind: Redis, answer: "-NOAUTH Authentication required.\r\n"},
		"redis, but HTTP":         {kind: Redis, answer: http, err: "does not speak"},
		"postgres":                {kind: PostgreSQL, answer: postgres, version: "15.18"},
		"postgres with password":  {kind: PostgreSQL, answer: "R\x00\x00\x00\x08\x00\x00\x00\x05"},
		"postgres that starts":    {kind: PostgreSQL, answer: "E\x00\x00\x00\x0eMstarting\x00\x00", err: "starting"},
		"postgres, but tiny":      {kind: PostgreSQL, answer: "R\x00\x00\x00\x00", err: "does not speak"},
		"mariadb":                 {kind: MariaDB, answer: "\x18\x00\x00\x00\x0a5.5.5-10.11.19-MariaDB\x00", version: "10.11.19"},
		"mariadb 10":              {kind: MariaDB, answer: "\x12\x00\x00\x00\x0a10.11.19-MariaDB\x00", version: "10.11.19"},
		"mysql":                   {kind: MariaDB, answer: "\x07\x00\x00\x00\x0a8.4.0\x00", version: "8.4.0"},
		"mariadb that is full":    {kind: MariaDB, answer: "\x04\x00\x00\x00\xff\x10\x04T", err: "refuses"},
		"elasticmq":               {kind: ElasticMQ, answer: "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
		"elasticmq in trouble":    {kind: ElasticMQ, answer: "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", err: "503"},
		"fauxqs, but it is not":   {kind: Fauxqs, answer: http, err: "400"},
		"fauxqs, but it is empty": {kind: Fauxqs, answer: "", err: "EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := says(t, c.answer, c.kind == MariaDB)

			version, err := c.kind.Probe(t.Context(), address)

			switch {
			case c.err == "" && (err != nil || version != c.version):
				t.Errorf("got %q, %v, want %q", version, err, c.version)
			case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err) || !strings.Contains(err.Error(), string(c.kind)+" at "+address)):
				t.Errorf("got %q, %v, want %s at %s: … %s", version, err, c.kind, address, c.err)
			}
		})
	}
}
