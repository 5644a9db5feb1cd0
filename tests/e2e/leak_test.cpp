// A server that writes down every byte hears nothing of requests that must stay: marked local,
// private, over budget, or met by a check that errs. Each group begins and ends with a request that
// may leave, so that a deaf server would be noticed. All once with the server's model named, and
// once without, where the server is asked first which models it has.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>

#include "crayon/session/answer.h"
#include "crayon/store/store.h"
#include "crayon/testing/fake_engine.h"
#include "crayon/testing/odd_checks.h"
#include "crayon/testing/random.h"
#include "crayon/testing/recording_server.h"

namespace crayon {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr int kRequests = 1000;

/// Questions with choices, chats and completions in turn; the text names its number.
Example question(int k, const std::string& text) {
  Example out;
  out.kind = static_cast<ExampleKind>(k % 3);
  const std::string all = text + " marker" + std::to_string(k);
  out.question = all;
  out.choices = {"yes", "no"};
  out.prompt = all;
  out.messages = {{"system", "be brief"}, {"user", all}};
  return out;
}

class Leaks : public testing::TestWithParam<std::string> {
 protected:
  /// With a client that has asked nothing yet, not even which models there are.
  Answerer answerer(const DoorOptions& door) {
    Remote& remote = remotes_.emplace_back(RemoteServer{.url = server_.url(), .model = GetParam()});
    AnswererOptions options;
    options.router.mode = RouteMode::Always;
    options.max_tokens = 8;
    options.door = door;
    return {*model_, *engine_, open_task("base"), &remote, options};
  }
  /// Asks, streamed every other time; the server may have heard nothing of it.
  void stays(Answerer& answerer, int k, const std::string& text, const RequestMarks& marks = {}) {
    const OnText listen = [](std::string_view) { return true; };
    const Answer answer = answerer.answer(question(k, text), k % 2 == 0 ? listen : OnText{}, marks);
    ASSERT_EQ(answer.side, Side::Device) << k;
    ASSERT_FALSE(answer.text.empty()) << k << ": the user has an answer all the same";
    ASSERT_TRUE(server_.heard().empty()) << k << ": " << server_.heard()[0];
  }
  /// The control: this one is heard.
  void leaves(Answerer& answerer) {
    EXPECT_EQ(answerer.answer(question(1, "what is a noun")).side, Side::Server);
    const auto heard = server_.heard();
    ASSERT_FALSE(heard.empty());
    EXPECT_THAT(heard.back(), HasSubstr("what is a noun"));
    if (heard.size() > 1) {
      ASSERT_EQ(heard.size(), 2u);
      EXPECT_THAT(heard.front(), AllOf(StartsWith("GET /v1/models"), Not(HasSubstr("noun"))));
    }
    server_.forget();
  }
  void leaves() {
    Answerer free = answerer({});
    leaves(free);
  }

  TemporaryFolder folder_;
  std::shared_ptr<Model> model_ = make_fake_model();
  std::unique_ptr<Engine> engine_ = model_->open_engine({});
  RecordingServer server_;
  std::deque<Remote> remotes_;  // the answerers borrow them
};

std::string case_name(const testing::TestParamInfo<std::string>& model) {
  return model.param.empty() ? "Unnamed" : "Named";
}

INSTANTIATE_TEST_SUITE_P(Model, Leaks, testing::Values("big", ""), case_name);

TEST_P(Leaks, RequestsMarkedLocalStay) {
  leaves();
  Answerer answerer = this->answerer({});
  for (int k = 0; k < kRequests; ++k) stays(answerer, k, "tell me", {.local_only = true});
  leaves(answerer);
}

TEST_P(Leaks, RequestsMatchedByADetectorOrAPatternStay) {
  leaves();
  PolicyOptions policy;
  policy.patterns = {{Rule::Local, "(?i)project aurora"}, {Rule::Local, R"(EMP-\d{4})"}};
  const auto check = make_text_check(policy);
  Answerer answerer = this->answerer({.check = check.get()});
  for (int k = 0; k < kRequests; ++k) {
    const std::string texts[] = {
        "mail user" + std::to_string(k) + "@host.example",
        "ring +1 404 555 " + std::to_string(1000 + k),
        "my card is 4111 1111 1111 1111",
        "IBAN DE89 3704 0044 0532 0130 00",
        "host 10.0." + std::to_string(k % 256) + ".7",
        "password: hunter" + std::to_string(k),
        "what of Project Aurora",
        "sack EMP-" + std::to_string(1000 + k),
        "Write a title for this conversation",
    };
    stays(answerer, k, texts[static_cast<std::size_t>(k) % std::size(texts)]);
  }
  leaves(answerer);
}

TEST_P(Leaks, RequestsOverBudgetStay) {
  Store store(folder_.path() / "s.db");
  StoreBudget calls(store, {.daily = {.calls = 1}});
  Answerer first = this->answerer({.budget = &calls});
  leaves(first);  // the one call that there is
  Answerer answerer = this->answerer({.budget = &calls});
  for (int k = 0; k < kRequests; ++k) stays(answerer, k, "tell me");
  EXPECT_EQ(store.spending().today.calls, 1);
  StoreBudget more(store, {.daily = {.calls = 2}});
  Answerer again = this->answerer({.budget = &more});
  leaves(again);
}

struct Fault {
  const char* name;
  ScriptedCheck::Say check;
  std::function<Reservation(const Amount&)> budget;
};

/// A check fails at the first look, at the second, at the socket; and the budget does.
std::vector<Fault> faults() {
  const ScriptedCheck::Say well = [](int, auto) { return may_leave(); };
  const auto granted = [](const Amount&) { return Reservation{true, 1, {}}; };
  const std::vector<std::pair<const char*, std::function<Verdict()>>> odd = {
      {"throws an Error", []() -> Verdict { throw Error(ErrorCode::CorruptFile, "x"); }},
      {"throws a number", []() -> Verdict { throw 1; }},
      {"times out", [] { return overrun(), may_leave(); }},
      {"says a rule that is none",
       [] {
         return Verdict{static_cast<Rule>(99), {}, {}};
       }},
      {"hides nothing",
       [] {
         return Verdict{Rule::Redact, {}, {}};
       }},
      {"hides what is not there",
       [] {
         return Verdict{Rule::Redact, {}, {{7, 3, 2, "X"}}};
       }},
      {"sends what it hides",
       [] {
         return Verdict{Rule::Send, {}, {{0, 0, 1, "X"}}};
       }},
      {"says nothing", [] { return Verdict{}; }},
  };
  std::vector<Fault> out;
  for (const auto& [name, fail] : odd) {
    out.push_back({name, [fail = fail](int, auto) { return fail(); }, granted});
    for (const int well_until : {1, 2}) {  // the question's texts, the messages, then the socket
      out.push_back({name,
                     [fail = fail, well_until](int call, auto) {
                       return call <= well_until ? may_leave() : fail();
                     },
                     granted});
    }
  }
  out.push_back({"budget throws", well,
                 [](auto&) -> Reservation { throw Error(ErrorCode::Unavailable, "locked"); }});
  out.push_back({"budget throws a number", well, [](auto&) -> Reservation { throw 1; }});
  out.push_back({"budget times out", well, [](auto&) {
                   overrun();
                   return Reservation{true, 1, {}};
                 }});
  out.push_back({"budget grants nothing", well, [](auto&) { return Reservation{true, 0, {}}; }});
  out.push_back({"budget says nothing", well, [](auto&) { return Reservation{}; }});
  return out;
}

TEST_P(Leaks, RequestsThatMeetACheckThatErrsStay) {
  leaves();
  const auto all = faults();
  const int each = kRequests / static_cast<int>(all.size()) + 1;
  for (const Fault& fault : all) {
    SCOPED_TRACE(fault.name);
    ScriptedCheck check(fault.check);
    ScriptedBudget budget(fault.budget);
    Answerer answerer =
        this->answerer({.check = &check, .budget = &budget, .patience = kShortPatience});
    for (int k = 0; k < each && !HasFatalFailure(); ++k) {
      check.start_again();
      stays(answerer, k, "tell me");
    }
  }
  leaves();
}

}  // namespace
}  // namespace crayon
