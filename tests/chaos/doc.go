// Command chaos shows that nothing is lost, and nothing comes out of its order, while consumers and brokers are killed.
//
// A run starts a broker, producers and consumers, each as processes of their own, and kills consumers and nodes of the broker with SIGKILL at random moments of
// the traffic. A producer sends the messages of a key one after another, each when the one before it is confirmed, and writes down what was confirmed. The
// handler of a consumer writes down its effect. Afterwards the two files are compared:
//
//   - lost: confirmed messages without an effect;
//   - out of order: the first effects of a key that do not follow its publications;
//   - duplicates: effects beyond the first of a message, which at-least-once delivery allows, and which must be rare;
//   - foreign: effects of what nobody sent.
//
// Two wrong builds show that the comparison finds what it is for: a producer that takes the word of one replica (acks=1), and a consumer that settles a message
// before its effect. So that the first is no matter of luck the other nodes of a cluster stand still (SIGSTOP) for a moment before one is killed: what that one
// confirms alone dies with it.
//
// Without arguments it makes all runs of the bars and a table of them, which takes most of an hour on a quiet machine. With arguments it makes one run:
//
//	make chaos
//	make chaos ARGS='-broker kafka3 -messages 20000 -broker-kills 5 -consumer-kills 5'
//	make chaos ARGS='-broker kafka3 -wrong acks1'
//
// A run that fails keeps its records, and the logs of its processes and of the broker, and says where.
package main
