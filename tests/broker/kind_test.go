package broker

import (
	"net"
	"slices"
	"strings"
	"testing"
)

func TestEveryKindHasATitleAVariableAndNeeds(t *testing.T) {
	t.Parallel()
	seen := make(map[string]Kind)
	for _, k := range Kinds() {
		if k.Title() == "" || !strings.HasPrefix(k.Variable(), "PATRON_TEST_") {
			t.Errorf("%q: title %q, variable %q", k, k.Title(), k.Variable())
		}
		if other, ok := seen[k.Variable()]; ok {
			t.Errorf("%s and %s share %s", k, other, k.Variable())
		}
		seen[k.Variable()] = k
		n := k.needs()
		if len(n.programs) == 0 {
			t.Errorf("%s needs no program", k)
		}
		for _, p := range append(n.programs, n.artifact.tools...) {
			if p.debian == "" {
				t.Errorf("%s: nobody says which package has %s", k, p.name)
			}
		}
	}
}

func TestKindsAreParsedByNameOrProtocol(t *testing.T) {
	t.Parallel()
	for list, want := range map[string][]Kind{
		"":                                {},
		"redis":                           {Redis},
		" Redis, KAFKA redis":             {Kafka, Redis},
		"sns,sqs,amqp,mysql,postgresql":   {RabbitMQ, ElasticMQ, Fauxqs, PostgreSQL, MariaDB},
		"mariadb postgres,fauxqs  kafka,": {Kafka, Fauxqs, PostgreSQL, MariaDB},
	} {
		if got, err := ParseKinds(list); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: got %v, %v, want %v", list, got, err, want)
		}
	}
	if _, err := ParseKinds("redis,nats"); err == nil || !strings.Contains(err.Error(), `broker "nats": want one of kafka, rabbitmq`) {
		t.Errorf("got %v, want the bad name and the good ones", err)
	}
}

func TestWhatAVariableSaysIsReadBack(t *testing.T) {
	t.Parallel()
	for _, k := range Kinds() {
		if got, secure, err := k.addresses(k.Value("127.0.0.1:21000")); err != nil || secure || !slices.Equal(got, []string{"127.0.0.1:21000"}) {
			t.Errorf("%s: got %v, %t, %v", k, got, secure, err)
		}
	}
}

func TestVariablesOfOthersAreUnderstood(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind   Kind
		value  string
		want   string
		secure bool
	}{
		{Kafka, "a:1, b:2", "a:1,b:2", false},
		{RabbitMQ, "amqp://user:secret@mq/vhost", "mq:5672", false},
		{RabbitMQ, "amqps://user:secret@mq", "mq:5671", true},
		{ElasticMQ, "https://sqs.example", "sqs.example:443", true},
		{Fauxqs, "http://[::1]:4566/", "[::1]:4566", false},
		{PostgreSQL, "postgresql://u:secret@db/x?sslmode=require", "db:5432", false},
		{PostgreSQL, "host=/run user=u password=secret", "", false},
		{PostgreSQL, "postgres:///x?host=/run", "", false},
		{MariaDB, "u:secret@tcp(db)/x", "db:3306", false},
		{MariaDB, "u:secret@tcp([::1]:3307)/x", "[::1]:3307", false},
		{MariaDB, "u:secret@unix(/run/s)/x", "", false},
	} {
		got, secure, err := c.kind.addresses(c.value)
		if err != nil || strings.Join(got, ",") != c.want || secure != c.secure {
			t.Errorf("%s %s: got %v, %t, %v, want %s, %t", c.kind, c.value, got, secure, err, c.want, c.secure)
		}
	}
}

func TestABrokerOfOthersThatIsNotThereIsNamedWithoutItsPassword(t *testing.T) {
	t.Parallel()
	ports, err := FreePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	dead := loopback(ports[0])
	for _, c := range []struct {
		kind        Kind
		value, want string
	}{
		{Kafka, dead, dead},
		{RabbitMQ, "amqp://user:secret@" + dead + "/", dead},
		{RabbitMQ, "kafka://user:secret@" + dead + "/", `scheme "kafka"`},
		{RabbitMQ, "amqp://user:secret@%zz", "want a URL"},
		{PostgreSQL, "postgres://user:secret@" + dead + "/x", dead},
		{MariaDB, "user:secret@tcp(" + dead + ")/x", dead},
		{Redis, "secret", "want host:port"},
	} {
		_, err := c.kind.LookAt(t.Context(), c.value)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.kind.Variable()) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s %s: got %v, want an error with %s and %s, and no password", c.kind, c.value, err, c.kind.Variable(), c.want)
		}
	}
}

func TestABrokerOfOthersNeedNotSayItsVersion(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write([]byte("-NOAUTH Authentication required.\r\n"))
			_ = conn.Close()
		}
	}()

	got, err := Redis.LookAt(t.Context(), l.Addr().String())

	if want := (External{Kind: Redis, Address: l.Addr().String()}); err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}
