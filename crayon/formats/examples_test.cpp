#include "crayon/formats/examples.h"

#include <zlib.h>

#include <sstream>

#include "crayon/base/interrupt.h"
#include "tests/corrupt/support.h"

namespace crayon {
namespace {

using test::expect_error;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

std::vector<Example> read(const std::string& text, std::size_t limit = 0) {
  std::istringstream in(text);
  return read_examples(in, "f.jsonl", limit);
}

std::string gzip(const std::string& text) {
  z_stream stream{};
  deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string out(text.size() + 200, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

constexpr const char* kTwo = R"({"question": "q1", "choices": ["a", "b"], "answer": 1}
{"question": "q2", "choices": ["a", "b"]}
)";

TEST(Examples, ReadsAQuestionWithChoicesOfTheUniformFormat) {
  const Example e = parse_example(
      R"({"id": "x/1", "question": "Q?", "context": "C", "choices": ["a", "b"], "answer": 1,
          "task": "t", "source": {"nested": [1, 2]}})",
      "f:7");
  EXPECT_EQ(e.kind, ExampleKind::Choices);
  EXPECT_EQ(e.id, "x/1");
  EXPECT_EQ(e.task, "t");
  EXPECT_EQ(e.question, "Q?");
  EXPECT_EQ(e.context, "C");
  EXPECT_THAT(e.choices, ElementsAre("a", "b"));
  EXPECT_EQ(e.answer, 1);
}

TEST(Examples, TheAnswerMayBeTheTextOfAChoice) {
  const auto answer = [](const std::string& value) {
    return parse_example(
               R"({"question": "q", "choices": ["yes", "no ", "1"], "answer": )" + value + "}",
               "f:1")
        .answer;
  };
  EXPECT_EQ(answer("\"yes\""), 0);
  EXPECT_EQ(answer("\"no\""), 1) << "outer blanks do not matter";
  EXPECT_EQ(answer("\"1\""), 2) << "a text is a text, not an index";
  EXPECT_EQ(answer("1"), 1);
  EXPECT_EQ(answer("null"), std::nullopt);
  const auto alike = [](const std::string& text) {
    return parse_example(
               R"({"question": "q", "choices": ["a ", " a", "a", "b"], "answer": ")" + text + "\"}",
               "x:1")
        .answer;
  };
  EXPECT_EQ(alike("a"), 2) << "an equal choice comes before one equal but for blanks";
  EXPECT_EQ(alike("a "), 0);
}

TEST(Examples, ReadsCompletionsAndMessages) {
  const Example c = parse_example(R"({"prompt": "p", "completion": ""})", "f:1");
  EXPECT_EQ(c.kind, ExampleKind::Completion);
  EXPECT_EQ(c.completion, "");
  EXPECT_FALSE(parse_example(R"({"prompt": "p"})", "f:1").completion.has_value());
  const Example m = parse_example(
      R"({"messages": [{"role": "user", "content": "hi", "name": "x"},
                       {"role": "assistant", "content": "ho"}]})",
      "f:1");
  EXPECT_EQ(m.kind, ExampleKind::Messages);
  ASSERT_EQ(m.messages.size(), 2u);
  EXPECT_EQ(m.messages[1].content, "ho");
}

TEST(Examples, AnExampleWithoutAnIdIsNamedByItsLine) {
  EXPECT_EQ(read("\n \t\r\n{\"prompt\": \"p\"}").at(0).id, "line-3");
  EXPECT_EQ(parse_example(R"({"prompt": "p", "id": 12})", "f:1").id, "12");
}

TEST(Examples, TakesByteOrderMarksCarriageReturnsAndAMissingLastNewline) {
  const auto got = read("\xef\xbb\xbf{\"prompt\": \"a\"}\r\n\r\n{\"prompt\": \"b\"}");
  ASSERT_EQ(got.size(), 2u);
  EXPECT_EQ(got[1].prompt, "b");
}

TEST(Examples, GzipIsReadByItsFirstBytesInAnyNumberOfMembers) {
  EXPECT_EQ(read(gzip(kTwo)).size(), 2u);
  EXPECT_EQ(read(gzip(kTwo) + gzip("") + gzip(kTwo)).size(), 4u);
  std::string many;
  for (int i = 0; i < 5000; ++i) many += kTwo;
  EXPECT_EQ(read(gzip(many)).size(), 10000u) << "more than one buffer";
  EXPECT_EQ(read(many).size(), 10000u);
}

TEST(Examples, StopsAtTheLimitBeforeABadLine) {
  EXPECT_EQ(read(std::string(kTwo) + "bad", 2).size(), 2u);
  expect_error([] { (void)read(std::string(kTwo) + "bad"); }, ErrorCode::InvalidArgument,
               "f.jsonl:3: is not JSON");
}

TEST(Examples, BrokenGzipIsOneClearError) {
  const std::string whole = gzip(kTwo);
  for (std::size_t n = 2; n < whole.size(); ++n) {
    expect_error([&] { (void)read(whole.substr(0, n)); }, ErrorCode::CorruptFile, "cut short");
  }
  std::string flipped = whole;
  flipped[whole.size() - 6] ^= 0x55;  // the check sum
  expect_error([&] { (void)read(flipped); }, ErrorCode::CorruptFile, "gzip data is broken");
  expect_error([&] { (void)read(whole + "rest"); }, ErrorCode::CorruptFile, "gzip data is broken");
}

TEST(Examples, RefusesBadLinesWithPlaceFindingAndExpectation) {
  struct Case {
    const char* line;
    const char* part;
  };
  const std::vector<Case> cases{
      {"{", "f:9: is not JSON at byte"},
      {"[1]", "f:9: holds an array, expected one JSON object a line"},
      {"7", "holds a number"},
      {"{} {}", "is not JSON at byte"},
      {"{\"prompt\": \"\xff\"}", "is not UTF-8"},
      {"{\"prompt\": \"\xed\xa0\x80\"}", "is not UTF-8"},
      {R"({"prompt": "a", "prompt": "b"})", "has a key twice"},
      {"{}", "holds no example, expected one of"},
      {R"({"question": "q", "prompt": "p"})", "mixes forms"},
      {R"({"question": "q"})", "'choices' is missing, expected an array of 2 to 1000 texts"},
      {R"({"question": 1, "choices": ["a", "b"]})", "'question' is a number, expected a text"},
      {R"({"question": " ", "choices": ["a", "b"]})", "'question' is blank"},
      {R"({"question": "q", "choices": "ab"})", "'choices' is a text"},
      {R"({"question": "q", "choices": ["a"]})", "'choices' has 1 entries"},
      {R"({"question": "q", "choices": ["a", 1]})", "choice 1 is a number"},
      {R"({"question": "q", "choices": ["a", ""]})", "choice 1 is blank"},
      {R"({"question": "q", "choices": ["a", "b", "a"]})", "choice 2 equals an earlier one"},
      {R"({"question": "q", "choices": ["a", "b"], "answer": 2})",
       "'answer' is 2, expected an index in 0..1 or the text of a choice; mend or remove the line"},
      {R"({"question": "q", "choices": ["a", "b"], "answer": -1})", "'answer' is -1"},
      {R"({"question": "q", "choices": ["a", "b"], "answer": 18446744073709551615})",
       "'answer' is 18446744073709551615"},
      {R"({"question": "q", "choices": ["a", "b"], "answer": 0.0})", "'answer' is a number"},
      {R"({"question": "q", "choices": ["a", "b"], "answer": true})", "'answer' is true or false"},
      {R"({"question": "q", "choices": ["a", "b"], "answer": "c"})", "a text that is no choice"},
      {R"({"question": "q", "choices": ["a", "b"], "context": []})", "'context' is an array"},
      {R"({"prompt": "p", "completion": 3})", "'completion' is a number"},
      {R"({"prompt": ""})", "'prompt' is blank"},
      {R"({"messages": {}})", "'messages' is an object"},
      {R"({"messages": []})", "no message of the user"},
      {R"({"messages": [{"role": "tool", "content": "x"}]})", "message 0 has another role"},
      {R"({"messages": [{"role": "user", "content": [1]}]})", "message 0 has no text 'content'"},
      {R"({"messages": ["x"]})", "message 0 has no text 'role'"},
      {R"({"prompt": "p", "id": [1]})", "'id' is an array"},
      {R"({"prompt": 1e999})", "is not JSON"},
  };
  for (const Case& c : cases) {
    expect_error([&] { (void)parse_example(c.line, "f:9"); }, ErrorCode::InvalidArgument, c.part);
  }
}

/// A stream whose reader is interrupted, as a read of the terminal is by Ctrl-C.
class InterruptedText : public std::stringbuf {
 public:
  InterruptedText() : std::stringbuf(kTwo) {}

 protected:
  std::streamsize xsgetn(char* to, std::streamsize n) override {
    set_interrupted(true);
    return std::stringbuf::xsgetn(to, n);
  }
};

TEST(Examples, AnInterruptedReadIsNoEndOfTheText) {
  InterruptedText text;
  std::istream in(&text);
  EXPECT_THROW((void)read_examples(in, "standard input"), Interrupted);
  set_interrupted(false);
}

TEST(Examples, ErrorsNeverQuoteTheUsersTexts) {
  const std::string secret = "SECRET";
  for (const char* line : {R"({"question": "SECRET", "choices": ["SECRET 1", "SECRET 1"]})",
                           R"({"question": "SECRET", "choices": ["a", "b"], "answer": "SECRET"})",
                           R"({"messages": [{"role": "SECRET", "content": "SECRET"}]})",
                           R"({"prompt": "SECRET)", R"({"SECRET": 1, "SECRET": 2})"}) {
    try {
      (void)parse_example(line, "f:1");
      ADD_FAILURE() << "nothing was thrown";
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), Not(HasSubstr(secret)));
    }
  }
}

TEST(Examples, DeepNestingIsRefusedAndNoCrash) {
  const std::string deep(200000, '[');
  expect_error([&] { (void)parse_example("{\"prompt\": " + deep, "f:1"); },
               ErrorCode::InvalidArgument, "nested deeper than 64");
}

TEST(Examples, ALineOverAMebibyteIsRefused) {
  const std::string longest(1 << 20, 'x');
  expect_error([&] { (void)read("\n" + longest + "x"); }, ErrorCode::InvalidArgument,
               "line 2 is longer than 1048576 bytes");
}

TEST(Examples, AFileWithoutExamplesIsRefused) {
  for (const char* empty : {"", "\n\n", "\xef\xbb\xbf"}) {
    expect_error([&] { (void)read(empty); }, ErrorCode::InvalidArgument, "holds no example");
  }
}

TEST(Examples, FilesAreReadAndWrongPathsNamed) {
  const test::ScratchFolder scratch;
  write_atomically(scratch.path() / "e.jsonl.gz", gzip(kTwo));
  EXPECT_EQ(read_examples(scratch.path() / "e.jsonl.gz", 1).size(), 1u);
  expect_error([&] { (void)read_examples(scratch.path()); }, ErrorCode::InvalidArgument,
               "is a folder");
  expect_error([&] { (void)read_examples(scratch.path() / "no"); }, ErrorCode::NotFound,
               "no such file");
}

}  // namespace
}  // namespace crayon
