#include "crayon/router/policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "crayon/base/error.h"

namespace crayon {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Property;
using testing::SizeIs;
using testing::Throws;

Verdict check(const PolicyOptions& options, std::vector<std::string_view> texts) {
  return make_text_check(options)->check(texts);
}
PolicyOptions with_pattern(Rule rule, const std::string& pattern) {
  PolicyOptions options;
  options.patterns = {{rule, pattern}};
  return options;
}
PolicyOptions with_kind(PrivateKind kind, Rule rule) {
  PolicyOptions options;
  options.kinds[static_cast<std::size_t>(kind)] = rule;
  return options;
}

TEST(Policy, AVerdictThatNobodyFilledInSaysLocal) { EXPECT_EQ(Verdict{}.rule, Rule::Local); }

TEST(Policy, KeepsEveryKindOfPrivateDataUnlessToldOtherwise) {
  for (const auto* text : {"a@b.example", "+1 404 555 0199", "4111 1111 1111 1111",
                           "DE89370400440532013000", "10.1.2.3", "password: hunter2"}) {
    const Verdict verdict = check({}, {"hello", text});
    EXPECT_EQ(verdict.rule, Rule::Local) << text;
    EXPECT_THAT(verdict.reason, HasSubstr("private: "));
  }
  EXPECT_EQ(check({}, {"hello", "what is a noun?"}).rule, Rule::Send);
  EXPECT_EQ(check(with_kind(PrivateKind::Ip, Rule::Send), {"10.1.2.3"}).rule, Rule::Send);
}

TEST(Policy, OfSeveralRulesTheStrictestHolds) {
  PolicyOptions options = with_kind(PrivateKind::Email, Rule::Redact);
  EXPECT_EQ(check(options, {"a@b.example"}).rule, Rule::Redact);
  EXPECT_EQ(check(options, {"a@b.example", "10.1.2.3"}).rule, Rule::Local);
  options.patterns = {{Rule::Block, "(?i)project aurora"}};
  const Verdict verdict = check(options, {"a@b.example, 10.1.2.3, Project Aurora"});
  EXPECT_EQ(verdict.rule, Rule::Block);
  EXPECT_EQ(verdict.reason, "private: pattern 1");
}

TEST(Policy, NamesWhatIsToBeHiddenAndWhere) {
  PolicyOptions options = with_kind(PrivateKind::Email, Rule::Redact);
  options.patterns = {{Rule::Redact, "EMP-\\d+"}};
  const Verdict verdict = check(options, {"a@b.example", "EMP-17 and EMP-4"});
  ASSERT_THAT(verdict.hidden, SizeIs(3));
  EXPECT_EQ(verdict.hidden[0].label, "EMAIL");
  EXPECT_EQ(verdict.hidden[2].text, 1u);
  EXPECT_EQ(verdict.hidden[2].begin, 11u);
  EXPECT_EQ(verdict.hidden[2].end, 16u);
}

TEST(Policy, APatternMatchesAnywhereInAnyTextOverLinesAndLanguages) {
  EXPECT_EQ(check(with_pattern(Rule::Local, "Müller"), {"x", "Frau\nMüller"}).rule, Rule::Local);
  EXPECT_EQ(check(with_pattern(Rule::Local, "(?s)begin.*end"), {"begin\nend"}).rule, Rule::Local);
  EXPECT_EQ(check(with_pattern(Rule::Local, "absent"), {"x", "y"}).rule, Rule::Send);
}

TEST(Policy, APatternSeesBlanksAndHyphensOfAllKindsAsItsReaderDoes) {
  const PolicyOptions options = with_pattern(Rule::Redact, "Project Aurora|EMP-17");
  for (const std::string hidden :
       {"Project\u00a0Aurora", "Pro\u00adject Aurora", "EMP\u201117", "EMP\u2212\uff11\uff17",
        "Project \u2068Aurora", "Project Aurora"}) {
    const std::string text = "on " + hidden + "\u2069, then";
    const Verdict verdict = check(options, {text});
    EXPECT_EQ(verdict.rule, Rule::Redact) << text;
    ASSERT_FALSE(verdict.hidden.empty()) << text;
    EXPECT_EQ(verdict.hidden[0].begin, 3u) << text;
    EXPECT_GE(verdict.hidden[0].end, 3 + hidden.size()) << text;
  }
  EXPECT_EQ(check(with_pattern(Rule::Local, "\u2013"), {"1\u20132"}).rule, Rule::Local)
      << "a pattern may ask for the very sign";
}

TEST(Policy, WhatAPatternCannotReadStays) {
  const Verdict verdict = check(with_pattern(Rule::Local, "Müller"), {"M\xFCller"});
  EXPECT_EQ(verdict.rule, Rule::Local);
  EXPECT_EQ(verdict.reason, "text is not UTF-8");
  for (const auto* odd : {"a\xC0\xAE"
                          "b",
                          "\xE0\x80\xAE", "\xED\xA0\x80", "\xF0\x80\x80\xAE", "\xF4\x90\x80\x80",
                          "\xF5\x80\x80\x80", "\xC3"}) {
    EXPECT_EQ(check(with_pattern(Rule::Local, "x"), {odd}).rule, Rule::Local) << odd;
  }
  EXPECT_EQ(
      check(with_pattern(Rule::Local, "x"), {"é \u0800 \ud7ff \ue000 \U00010000 \U0010FFFF"}).rule,
      Rule::Send);
  PolicyOptions options;
  options.most_bytes = 10;
  EXPECT_EQ(check(options, {"hello", "world!"}).reason, "too long to check");
}

TEST(Policy, RefusesAPatternThatIsNoneAndSaysWhich) {
  const auto fails = [](const std::string& what) {
    return Throws<Error>(AllOf(Property(&Error::code, ErrorCode::InvalidArgument),
                               Property(&Error::what, HasSubstr(what))));
  };
  EXPECT_THAT([] { (void)make_text_check(with_pattern(Rule::Local, "a(")); },
              fails("pattern 1 'a('"));
  EXPECT_THAT([] { (void)make_text_check(with_pattern(Rule::Local, "(a)\\1")); },
              fails("pattern 1"));
  EXPECT_THAT([] { (void)make_text_check(with_pattern(Rule::Local, "a*")); }, fails("empty text"));
  EXPECT_THAT([] { (void)parse_rule("loca"); }, fails("'loca'"));
  EXPECT_THAT([] { (void)parse_pattern_rule("aurora"); }, fails("no rule before it"));
  EXPECT_EQ(parse_pattern_rule("redact:a:b").pattern, "a:b");
}

// In the shapes that clients use, in words of our own.
TEST(Policy, BackgroundPromptsOfChatClientsStay) {
  for (const std::string text :
       {"### Task:\nMake a short title with an emoji.\n### Guidelines:\n- be "
        "brief\n<chat_history>x",
        "### Task:\nSuggest 3 follow-up questions.\n### Output:\nJSON\n### Chat History:\nUSER: hi",
        "### Task:\nGive 1-3 broad tags for the themes.\n### Guidelines:\n- tags",
        "Write a short title for this conversation in the language found. At most five words.",
        "Provide a concise title for the conversation, without quotes",
        "Generate a concise, descriptive title for this conversation from the user's message.",
        "Based on the chat history, give this conversation a name.\nhi",
        "Summarize this conversation into a title of ten words",
        "Generate search queries that help with the following chat history"}) {
    EXPECT_TRUE(is_background_prompt(text)) << text;
    EXPECT_EQ(check({}, {text}).rule, Rule::Local) << text;
  }
  PolicyOptions options;
  options.background = Rule::Send;
  EXPECT_EQ(check(options, {"Write a title for this conversation"}).rule, Rule::Send);
}

TEST(Policy, OrdinaryQuestionsAreNoBackgroundPrompts) {
  for (const auto* text :
       {"What is the title of the first Harry Potter book?", "Write a poem about a chat",
        "Suggest names for my cat", "Which tags does HTML have?", "Task: add two numbers",
        "How do I follow up on an e-mail?", "Summarize this article in three sentences",
        "Write a title page for my thesis on conversation analysis"}) {
    EXPECT_FALSE(is_background_prompt(text)) << text;
  }
}

}  // namespace
}  // namespace crayon
