package broker

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// deposit leaves something with a broker, which confirms it, and look finds it there. They speak the protocols by hand: a client library for each would be a
// heavy price for one message.
type deposit struct {
	leave func(ctx context.Context, address string) error
	look  func(ctx context.Context, address string) error
}

func deposits(t *testing.T) map[Kind]deposit {
	t.Helper()
	return map[Kind]deposit{
		Kafka:      {leave: leaveKafka, look: lookKafka},
		RabbitMQ:   {leave: leaveRabbitMQ, look: lookRabbitMQ},
		Redis:      {leave: redisSays("SET kept it", "+OK"), look: redisSays("GET kept", "$2")},
		PostgreSQL: {leave: postgresDoes("create table kept as select 'it'::text as value"), look: postgresDoes("select value from kept")},
		MariaDB:    {leave: mariaDBDoes("create table kept (value int)"), look: mariaDBDoes("insert into kept values (1)")},
		ElasticMQ:  {leave: leaveSQS, look: lookSQS},
		Fauxqs:     {leave: leaveSQS, look: lookSQS},
	}
}

// dial opens a connection that ends soon.
func dial(ctx context.Context, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return conn, conn.SetDeadline(time.Now().Add(30 * time.Second))
}

func redisSays(command, want string) func(context.Context, string) error {
	return func(ctx context.Context, address string) error {
		conn, err := dial(ctx, address)
		if err != nil {
			return err
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, command+"\r\n"); err != nil {
			return err
		}
		got, err := readBlock(conn, uint32(len(want)))
		if err == nil && string(got) != want {
			err = fmt.Errorf("%s: got %q, want %q", command, got, want)
		}
		return err
	}
}

func postgresDoes(query string) func(context.Context, string) error {
	return func(ctx context.Context, address string) error {
		conn, err := dial(ctx, address)
		if err != nil {
			return err
		}
		defer conn.Close()
		send := func(kind string, body string) error {
			_, err := conn.Write(append(binary.BigEndian.AppendUint32([]byte(kind), uint32(4+len(body))), body...))
			return err
		}
		if err := send("", "\x00\x03\x00\x00user\x00postgres\x00database\x00patron\x00\x00"); err != nil {
			return err
		}
		for asked := false; ; {
			head, err := readBlock(conn, 5)
			if err != nil {
				return err
			}
			body, err := readBlock(conn, binary.BigEndian.Uint32(head[1:])-4)
			switch {
			case err != nil:
				return err
			case head[0] == 'E':
				return fmt.Errorf("%s: %q", query, body)
			case head[0] == 'Z' && asked:
				return nil
			case head[0] == 'Z':
				asked = true
				if err := send("Q", query+"\x00"); err != nil {
					return err
				}
			}
		}
	}
}

func mariaDBDoes(query string) func(context.Context, string) error {
	return func(ctx context.Context, address string) error {
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			return err
		}
		// The client comes with the server.
		out, err := exec.CommandContext(ctx, "mariadb", "--no-defaults", "-h", host, "-P", port, "-u", "root", "patron", "-e", query).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%s: %w: %s", query, err, out)
		}
		return nil
	}
}

// sqs calls an action of SQS and puts the answer into result, unless it is nil.
func sqs(ctx context.Context, address, action string, parameters map[string]string, result any) error {
	body, err := json.Marshal(parameters)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+"/", bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/x-amz-json-1.0")
	request.Header.Set("X-Amz-Target", "AmazonSQS."+action)
	answer, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	switch {
	case err != nil:
		return err
	case answer.StatusCode != http.StatusOK:
		return fmt.Errorf("%s: %s: %s", action, answer.Status, text)
	case result == nil:
		return nil
	}
	return json.Unmarshal(text, result)
}

type sqsQueue struct {
	QueueURL string `json:"QueueUrl"`
}

func leaveSQS(ctx context.Context, address string) error {
	var q sqsQueue
	if err := sqs(ctx, address, "CreateQueue", map[string]string{"QueueName": "kept"}, &q); err != nil {
		return err
	}
	return sqs(ctx, address, "SendMessage", map[string]string{"QueueUrl": q.QueueURL, "MessageBody": "it is kept"}, nil)
}

func lookSQS(ctx context.Context, address string) error {
	var q sqsQueue
	if err := sqs(ctx, address, "GetQueueUrl", map[string]string{"QueueName": "kept"}, &q); err != nil {
		return err
	}
	var got struct {
		Messages []struct{ Body string }
	}
	if err := sqs(ctx, address, "ReceiveMessage", map[string]string{"QueueUrl": q.QueueURL}, &got); err != nil {
		return err
	}
	if len(got.Messages) != 1 || got.Messages[0].Body != "it is kept" {
		return fmt.Errorf("got %+v, want the message", got.Messages)
	}
	// It is there for the next who looks.
	return sqs(ctx, address, "SendMessage", map[string]string{"QueueUrl": q.QueueURL, "MessageBody": "it is kept"}, nil)
}

// kafkaAsks sends a request of Kafka's older form and returns the answer, without its correlation.
func kafkaAsks(ctx context.Context, address string, key, version uint16, body []byte) ([]byte, error) {
	conn, err := dial(ctx, address)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	request := binary.BigEndian.AppendUint16(nil, key)
	request = binary.BigEndian.AppendUint16(request, version)
	request = append(request, 0, 0, 0, 1, 0xff, 0xff) // correlation, no name
	request = append(request, body...)
	if _, err := conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(request))), request...)); err != nil {
		return nil, err
	}
	head, err := readBlock(conn, 4)
	if err != nil {
		return nil, err
	}
	answer, err := readBlock(conn, binary.BigEndian.Uint32(head))
	if err != nil {
		return nil, err
	}
	return answer[4:], nil
}

const kafkaTopic = "\x00\x00\x00\x01\x00\x04kept" // one topic of that name

// kafkaLeader makes the topic if it is not there, and returns the node that leads its first partition.
func kafkaLeader(ctx context.Context, addresses string) (string, error) {
	leader := ""
	err := until(ctx, 100*time.Millisecond, func() (bool, error) {
		first, _, _ := strings.Cut(addresses, ",")
		answer, err := kafkaAsks(ctx, first, 3, 4, []byte(kafkaTopic+"\x01")) // metadata, and make it
		if err != nil {
			return false, err
		}
		nodes := make(map[uint32]string)
		r := bytes.NewReader(answer[4:]) // without the throttle time
		var n uint32
		for err = binary.Read(r, binary.BigEndian, &n); n > 0 && err == nil; n-- {
			var id, port uint32
			err = errors.Join(err, binary.Read(r, binary.BigEndian, &id))
			host := kafkaString(r)
			err = errors.Join(err, binary.Read(r, binary.BigEndian, &port))
			kafkaString(r) // rack
			nodes[id] = net.JoinHostPort(host, strconv.FormatUint(uint64(port), 10))
		}
		kafkaString(r)                             // cluster
		_, _ = r.Seek(4+4+2+2+4+1, io.SeekCurrent) // controller, number of topics, error, name, internal
		var partitions, id, lead uint32
		var code uint16
		for err = binary.Read(r, binary.BigEndian, &partitions); partitions > 0 && err == nil; partitions-- {
			err = errors.Join(binary.Read(r, binary.BigEndian, &code), binary.Read(r, binary.BigEndian, &id), binary.Read(r, binary.BigEndian, &lead))
			if code == 0 && id == 0 {
				leader = nodes[lead]
			}
			for range 2 { // replicas, in sync
				err = errors.Join(err, binary.Read(r, binary.BigEndian, &n))
				_, _ = r.Seek(4*int64(n), io.SeekCurrent)
			}
		}
		return leader != "", err
	})
	return leader, err
}

func kafkaString(r *bytes.Reader) string {
	var n int16
	if err := binary.Read(r, binary.BigEndian, &n); err != nil || n < 0 {
		return ""
	}
	text := make([]byte, n)
	_, _ = io.ReadFull(r, text)
	return string(text)
}

func leaveKafka(ctx context.Context, addresses string) error {
	leader, err := kafkaLeader(ctx, addresses)
	if err != nil {
		return err
	}
	// One record: length, attributes, times and offsets of 0, no key, a value of two bytes, no headers.
	record := []byte{16, 0, 0, 0, 1, 4, 'i', 't', 0}
	batch := make([]byte, 0, 80)
	batch = binary.BigEndian.AppendUint16(batch, 0)           // attributes
	batch = binary.BigEndian.AppendUint32(batch, 0)           // last offset
	batch = append(batch, make([]byte, 16)...)                // times
	batch = binary.BigEndian.AppendUint64(batch, 1<<64-1)     // no producer
	batch = append(batch, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff) // no epoch, no sequence
	batch = binary.BigEndian.AppendUint32(batch, 1)
	batch = append(batch, record...)
	records := binary.BigEndian.AppendUint64(nil, 0)                           // first offset
	records = binary.BigEndian.AppendUint32(records, uint32(4+1+4+len(batch))) // length
	records = append(records, 0, 0, 0, 0, 2)                                   // epoch, format
	records = binary.BigEndian.AppendUint32(records, crc32.Checksum(batch, crc32.MakeTable(crc32.Castagnoli)))
	records = append(records, batch...)
	request := []byte{0xff, 0xff, 0xff, 0xff, 0, 0, 0x27, 0x10} // no transaction, all in sync confirm, 10 s
	request = append(request, kafkaTopic...)
	request = append(request, 0, 0, 0, 1, 0, 0, 0, 0) // one partition, 0
	request = binary.BigEndian.AppendUint32(request, uint32(len(records)))
	request = append(request, records...)
	return until(ctx, 100*time.Millisecond, func() (bool, error) {
		answer, err := kafkaAsks(ctx, leader, 0, 3, request)
		if err != nil {
			return false, err
		}
		// One topic, its name, one partition, its number: then the code.
		switch code := binary.BigEndian.Uint16(answer[4+6+4+4:]); code {
		case 0:
			return true, nil
		case 3, 5, 6: // it does not know yet that it leads
			return false, nil
		default:
			return false, fmt.Errorf("produce: error %d", code)
		}
	})
}

func lookKafka(ctx context.Context, addresses string) error {
	return until(ctx, 100*time.Millisecond, func() (bool, error) {
		leader, err := kafkaLeader(ctx, addresses)
		if err != nil {
			return false, err
		}
		request := append([]byte{0xff, 0xff, 0xff, 0xff}, kafkaTopic...)
		request = append(request, 0, 0, 0, 1, 0, 0, 0, 0)         // one partition, 0
		request = binary.BigEndian.AppendUint64(request, 1<<64-1) // its end
		answer, err := kafkaAsks(ctx, leader, 2, 1, request)
		if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, io.EOF) {
			return false, nil // nobody has missed the leader yet
		}
		if err != nil {
			return false, err
		}
		answer = answer[4+6+4+4:]
		if code := binary.BigEndian.Uint16(answer); code != 0 {
			return false, nil // it does not lead yet
		}
		if end := binary.BigEndian.Uint64(answer[2+8:]); end != 1 {
			return false, fmt.Errorf("the partition ends at %d, want 1", end)
		}
		return true, nil
	})
}

// amqp is a connection to RabbitMQ with one channel.
type amqp struct{ net.Conn }

func (c amqp) frame(kind byte, channel uint16, payload []byte) error {
	frame := binary.BigEndian.AppendUint16([]byte{kind}, channel)
	frame = binary.BigEndian.AppendUint32(frame, uint32(len(payload)))
	_, err := c.Write(append(append(frame, payload...), 0xce))
	return err
}

// call sends a method, unless it is empty, and reads frames until one is of the wanted class and method, whose arguments it returns.
func (c amqp) call(channel uint16, method string, class, want uint16) ([]byte, error) {
	if method != "" {
		if err := c.frame(1, channel, []byte(method)); err != nil {
			return nil, err
		}
	}
	for {
		head, err := readBlock(c, 7)
		if err != nil {
			return nil, err
		}
		payload, err := readBlock(c, binary.BigEndian.Uint32(head[3:])+1)
		if err != nil {
			return nil, err
		}
		if head[0] != 1 {
			continue
		}
		gotClass, got := binary.BigEndian.Uint16(payload), binary.BigEndian.Uint16(payload[2:])
		if gotClass == class && got == want {
			return payload[4:], nil
		}
		if got == 50 || got == 40 && gotClass == 20 { // close
			return nil, fmt.Errorf("the broker closes: %q", payload)
		}
	}
}

func openRabbitMQ(ctx context.Context, address string) (amqp, error) {
	conn, err := dial(ctx, address)
	if err != nil {
		return amqp{}, err
	}
	c := amqp{conn}
	_, err = conn.Write([]byte("AMQP\x00\x00\x09\x01"))
	for _, step := range []struct {
		channel     uint16
		method      string
		class, want uint16
	}{
		{0, "", 10, 10}, // start
		{0, "\x00\x0a\x00\x0b\x00\x00\x00\x00\x05PLAIN\x00\x00\x00\x0c\x00guest\x00guest\x05en_US", 10, 30}, //nolint:dupword // start-ok, tune
		{0, "\x00\x0a\x00\x1f\x07\xff\x00\x02\x00\x00\x00\x00", 0, 0},                                       // tune-ok
		{0, "\x00\x0a\x00\x28\x01/\x00\x00", 10, 41},                                                        // open
		{1, "\x00\x14\x00\x0a\x00", 20, 11},                                                                 // channel
	} {
		switch {
		case err != nil:
		case step.class == 0:
			err = c.frame(1, step.channel, []byte(step.method))
		default:
			_, err = c.call(step.channel, step.method, step.class, step.want)
		}
	}
	if err != nil {
		return amqp{}, errors.Join(err, conn.Close())
	}
	return c, nil
}

// declare declares a durable queue, and says how many messages it has.
func (c amqp) declare() (uint32, error) {
	ok, err := c.call(1, "\x00\x32\x00\x0a\x00\x00\x04kept\x02\x00\x00\x00\x00", 50, 11)
	if err != nil {
		return 0, err
	}
	return binary.BigEndian.Uint32(ok[1+len("kept"):]), nil
}

func leaveRabbitMQ(ctx context.Context, address string) error {
	c, err := openRabbitMQ(ctx, address)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.declare(); err != nil {
		return err
	}
	if _, err := c.call(1, "\x00\x55\x00\x0a\x00", 85, 11); err != nil { // confirms
		return err
	}
	err = errors.Join(
		c.frame(1, 1, []byte("\x00\x3c\x00\x28\x00\x00\x00\x04kept\x00")),                     // publish
		c.frame(2, 1, []byte("\x00\x3c\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x10\x00\x02")), // two bytes, persistent
		c.frame(3, 1, []byte("it")),
	)
	if err == nil {
		_, err = c.call(1, "", 60, 80) // ack
	}
	return err
}

func lookRabbitMQ(ctx context.Context, address string) error {
	c, err := openRabbitMQ(ctx, address)
	if err != nil {
		return err
	}
	defer c.Close()
	n, err := c.declare()
	if err == nil && n != 1 {
		err = fmt.Errorf("got %d messages, want 1", n)
	}
	return err
}
