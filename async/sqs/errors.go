package sqs

import (
	"errors"
	"fmt"
	"strings"

	"github.com/aws/smithy-go"
	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/reliability"
)

// hopeless says for the codes of AWS that trying again does not mend what they mean. SQS and SNS, and those who imitate them, spell them differently.
func hopeless(code string) (meaning string, ok bool) {
	switch code {
	case "QueueDoesNotExist", "NonExistentQueue":
		return "there is no such queue in this account and region", true
	case "NotFound", "NotFoundException":
		return "there is no such topic in this account and region", true
	case "AccessDenied", "AccessDeniedException", "AuthorizationError", "AuthorizationErrorException", "KmsAccessDenied", "KMSAccessDenied":
		return denied, true
	case "InvalidClientTokenId", "UnrecognizedClientException", "AuthFailure", "MissingAuthenticationToken", "InvalidSecurity", "OptInRequired":
		return "the credentials are not accepted", true
	case "SignatureDoesNotMatch", "IncompleteSignature", "InvalidSignatureException":
		return "the signature is not accepted: wrong secret key, region or clock", true
	case "InvalidAddress", "UnsupportedOperation", "InvalidAttributeName", "InvalidAttributeValue", "InvalidParameter", "InvalidParameterException",
		"InvalidParameterValue", "ParameterValueInvalid", "MissingParameter", "InvalidMessageContents", "BatchRequestTooLong", "BatchRequestTooLongException",
		"KmsDisabled", "KMSDisabled", "KmsNotFound", "KMSNotFound", "KmsInvalidState", "KmsInvalidKeyUsage", "KmsOptInRequired":
		return "", true
	default:
		return "", false
	}
}

const denied = "access denied"

// codeOf returns the code of an answer of AWS without what stands before it in some protocols and imitations, and whether err is an answer at all.
func codeOf(err error) (string, bool) {
	answer, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return "", false
	}
	return bare(answer.ErrorCode()), true
}

// bare takes "AWS.SimpleQueueService." and "com.amazonaws.sqs#" away.
func bare(code string) string { return code[strings.LastIndexAny(code, ".#")+1:] }

// judged adds to err what was done, and whether it makes sense to do it again.
func judged(operation, action string, err error) error {
	code, _ := codeOf(err)
	meaning, permanent := hopeless(code)
	switch meaning {
	case "":
		err = fmt.Errorf("%s: %w", operation, discreet(code, err))
	case denied:
		err = fmt.Errorf("%s: %s, the policy must allow %s: %w", operation, meaning, action, discreet(code, err))
	default:
		err = fmt.Errorf("%s: %s: %w", operation, meaning, discreet(code, err))
	}
	if permanent {
		return reliability.Permanent(err)
	}
	return err
}

// discreet keeps what AWS says about a signature out of the text: it repeats the request, the session token included.
func discreet(code string, err error) error {
	if strings.Contains(code, "Signature") {
		return &discreetError{code: code, err: err}
	}
	return err
}

type discreetError struct {
	code string
	err  error
}

func (e *discreetError) Error() string { return e.code }

// Unwrap returns the error with its text.
func (e *discreetError) Unwrap() error { return e.err }

// lostCode reports whether a receipt was refused: what it was given for is no longer ours. The same is said in three ways.
func lostCode(code string) bool {
	switch bare(code) {
	case "ReceiptHandleIsInvalid", "MessageNotInflight", "InvalidParameterValue":
		return true
	default:
		return false
	}
}

// entryError is why SQS or SNS refused one entry of a batch.
type entryError struct {
	code, message string
	senderFault   bool
}

func (e *entryError) Error() string {
	if e.message == "" {
		return e.code
	}
	return e.code + ": " + e.message
}

// Class tells what the sender did wrong from what may work the next time, see [reliability.Classify].
func (e *entryError) Class() reliability.Class {
	if _, ok := hopeless(e.code); ok || e.senderFault && !strings.Contains(e.code, "Throttl") && e.code != "OverLimit" {
		return reliability.ClassPermanent
	}
	return reliability.ClassTransient
}

// newEntryError makes one of what a result says; what is missing there is said, too.
func newEntryError(code, message *string, senderFault bool) *entryError {
	e := &entryError{code: "refused", senderFault: senderFault}
	if code != nil && *code != "" {
		e.code = bare(*code)
	}
	if message != nil {
		e.message = *message
	}
	return e
}

// unanswered says that a batch may have been carried out: it was on its way when err came. An answer that blames the request says that it was not.
func unanswered(err error) error {
	if answer, ok := errors.AsType[smithy.APIError](err); ok && (answer.ErrorFault() == smithy.FaultClient || definite(bare(answer.ErrorCode()))) {
		return err
	}
	return fmt.Errorf("%w: %w", async.ErrUnknown, err)
}

// definite reports whether a code that is not typed blames the request or its rate.
func definite(code string) bool {
	_, ok := hopeless(code)
	return ok || strings.Contains(code, "Throttl") || code == "OverLimit"
}
