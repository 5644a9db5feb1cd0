#include "crayon/prompt/prompt.h"

#include <gmock/gmock.h>

#include "crayon/base/error.h"
#include "tests/errors.h"

namespace crayon {
namespace {

using test::error_of;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// Like ChatML: role and content between marks, the assistant's turn opened.
std::string chat_ml(const std::vector<ChatMessage>& messages) {
  std::string text;
  for (const ChatMessage& m : messages) text += "<" + m.role + ">\n" + m.content + "</>\n";
  return text + "<assistant>\n";
}
/// One that trims the content and ends without white space.
std::string trimming(const std::vector<ChatMessage>& messages) {
  const std::string& content = messages.back().content;
  return "[INST]" + content.substr(content.find_first_not_of(' ')) + "[/INST]";
}

Example question() {
  Example e;
  e.question = "Which city?";
  e.choices = {"Paris", "Rome"};
  return e;
}
Example with_context() {
  Example e = question();
  e.context = "It lies on the Seine.";
  return e;
}
std::string passage(const RenderedPrompt& p) {
  return p.text.substr(p.passage_begin, p.passage_end - p.passage_begin);
}
TEST(HasLabel, KnowsTheAnswerOfEachKind) {
  Example e = question();
  EXPECT_FALSE(has_label(e));
  e.answer = 1;
  EXPECT_TRUE(has_label(e));
  e.kind = ExampleKind::Completion;
  EXPECT_FALSE(has_label(e));
  e.completion = "x";
  EXPECT_TRUE(has_label(e));
  e.kind = ExampleKind::Messages;
  EXPECT_FALSE(has_label(e));
  e.messages = {{"assistant", "x"}, {"user", "y"}};
  EXPECT_FALSE(has_label(e));
  e.messages.push_back({"assistant", "z"});
  EXPECT_TRUE(has_label(e));
}

TEST(Render, PlainQuestionHasChoicesWithTheirPrefixAndNoPassage) {
  const RenderedPrompt got = render({}, question());
  EXPECT_EQ(got.text, "Question: Which city?\nAnswer:");
  EXPECT_THAT(got.choices, ElementsAre(" Paris", " Rome"));
  EXPECT_EQ(got.passage_begin, 0u);
  EXPECT_EQ(got.passage_end, 0u);
}

TEST(Render, PlainQuestionWithContextMarksThePassage) {
  const RenderedPrompt got = render({}, with_context());
  EXPECT_EQ(got.text, "It lies on the Seine.\nQuestion: Which city?\nAnswer:");
  EXPECT_EQ(passage(got), "It lies on the Seine.");
}

TEST(Render, PlacesInsideTheUsersTextStayAsTheyAre) {
  Example e = with_context();
  e.context = "{question} {context}";
  e.question = "{context} {{question}} {";
  const RenderedPrompt got = render({}, e);
  EXPECT_EQ(got.text, "{question} {context}\nQuestion: {context} {{question}} {\nAnswer:");
  EXPECT_EQ(passage(got), e.context);
}

TEST(Render, TemplatesMayHoldOtherBracesAndRepeatTheQuestion) {
  PromptFormat format;
  format.without_context = "{\"q\": \"{question}\"} {question}{";
  EXPECT_EQ(render(format, question()).text, "{\"q\": \"Which city?\"} Which city?{");
}

TEST(Render, CompletionIsItsPromptWithoutChoices) {
  Example e;
  e.kind = ExampleKind::Completion;
  e.prompt = "Once {question}";
  const RenderedPrompt got = render({}, e);
  EXPECT_EQ(got.text, "Once {question}");
  EXPECT_THAT(got.choices, IsEmpty());
  EXPECT_EQ(got.completion, std::nullopt);
}

TEST(Render, AKnownAnswerGetsThePrefixAsAChoiceDoes) {
  Example e;
  e.kind = ExampleKind::Completion;
  e.prompt = "Once";
  e.completion = "upon";
  EXPECT_EQ(render({}, e).completion, " upon");
  const PromptFormat chat{.style = PromptStyle::Chat};
  EXPECT_EQ(render(chat, e, chat_ml).completion, "upon") << "the opened turn ends in a line break";
  EXPECT_EQ(render(chat, e, trimming).completion, " upon");
}

TEST(Render, ChatWrapsTheTemplatesTextAndDropsThePrefixAfterANewline) {
  PromptFormat format{.style = PromptStyle::Chat, .system = "Be brief."};
  const RenderedPrompt got = render(format, with_context(), chat_ml);
  EXPECT_EQ(got.text,
            "<system>\nBe brief.</>\n<user>\nIt lies on the Seine.\nQuestion: Which city?\nAnswer:"
            "</>\n<assistant>\n");
  EXPECT_THAT(got.choices, ElementsAre("Paris", "Rome"));
  EXPECT_EQ(passage(got), "It lies on the Seine.");
}

TEST(Render, ChatKeepsThePrefixAndThePassageOfATemplateThatTrims) {
  Example e = with_context();
  e.context = "  " + e.context;
  const PromptFormat format{.style = PromptStyle::Chat};
  const RenderedPrompt trimmed = render(format, e, trimming);
  EXPECT_THAT(trimmed.choices, ElementsAre(" Paris", " Rome"));
  EXPECT_EQ(passage(trimmed), "");
  const RenderedPrompt whole = render(format, with_context(), trimming);
  EXPECT_EQ(passage(whole), "It lies on the Seine.");
}

TEST(Render, ChatFindsThePassageEvenWhenTheSystemTextHoldsTheSame) {
  PromptFormat format{.style = PromptStyle::Chat, .system = "It lies on the Seine."};
  const RenderedPrompt got = render(format, with_context(), chat_ml);
  EXPECT_GT(got.passage_begin, got.text.find("<user>"));
  EXPECT_EQ(passage(got), "It lies on the Seine.");
}

TEST(Render, MessagesEndBeforeTheAnswerAndGetTheSystemTextOfAChat) {
  Example e;
  e.kind = ExampleKind::Messages;
  e.messages = {{"user", "Hi"}, {"assistant", "Hello"}, {"user", "Who?"}, {"assistant", "Me"}};
  EXPECT_EQ(render({}, e, chat_ml).text,
            "<user>\nHi</>\n<assistant>\nHello</>\n<user>\nWho?</>\n<assistant>\n");
  EXPECT_EQ(render({}, e, chat_ml).completion, "Me");
  const PromptFormat chat{.style = PromptStyle::Chat, .system = "S"};
  EXPECT_THAT(render(chat, e, chat_ml).text, HasSubstr("<system>\nS</>\n<user>\nHi"));
  e.messages.insert(e.messages.begin(), {"system", "own"});
  EXPECT_THAT(render(chat, e, chat_ml).text, Not(HasSubstr("<system>\nS<")));
}

TEST(Render, RefusesAChatWithoutATemplateAndMessagesWithoutAQuestion) {
  Example e = question();
  EXPECT_THAT([&] { (void)render({.style = PromptStyle::Chat}, e); },
              error_of(ErrorCode::Unsupported, "--chat-template"));
  e.kind = ExampleKind::Messages;
  e.id = "line-3";
  e.messages = {{"assistant", "Hello"}};
  EXPECT_THAT([&] { (void)render({}, e, chat_ml); },
              error_of(ErrorCode::InvalidArgument, "'line-3' has 1 messages"));
}

TEST(CheckFormat, RefusesUnknownVersionsAndTemplatesWithoutTheirPlaces) {
  EXPECT_NO_THROW(check_format({}));
  EXPECT_THAT([] { check_format({.version = 2}); },
              error_of(ErrorCode::InvalidArgument, "version 2; expected 1"));
  EXPECT_THAT([] { check_format({.with_context = "{question}"}); },
              error_of(ErrorCode::InvalidArgument, "expected the place {context}"));
  EXPECT_THAT([] { check_format({.with_context = "{context}"}); },
              error_of(ErrorCode::InvalidArgument, "expected the place {question}"));
  EXPECT_THAT([] { check_format({.without_context = "Answer:"}); },
              error_of(ErrorCode::InvalidArgument, "without_context is 'Answer:'"));
}

}  // namespace
}  // namespace crayon
