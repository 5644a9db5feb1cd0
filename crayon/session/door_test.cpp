#include "crayon/session/door.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <functional>
#include <stdexcept>
#include <system_error>

#include "crayon/http/server.h"
#include "crayon/store/store.h"
#include "crayon/testing/odd_checks.h"
#include "crayon/testing/random.h"
#include "crayon/testing/recording_server.h"

namespace crayon {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::Property;
using testing::StrEq;
using testing::Throws;

// Before the first line of the log, which reads it.
const bool kDebug = ::setenv("CRAYON_LOG", "debug", 1) == 0;

const std::vector<ChatMessage> kHello = {{"system", "be brief"}, {"user", "hello there"}};
const std::vector<ChatMessage> kMail = {{"user", "write to jane@doe.example"}};

auto kept(const std::string& reason) { return Throws<Kept>(Property(&Kept::what, StrEq(reason))); }

class Door : public testing::Test {
 protected:
  std::function<void()> asking(const DoorOptions& options,
                               const std::vector<ChatMessage>& messages = kHello,
                               const RequestMarks& marks = {}) {
    return [=, this] { (void)ServerDoor(remote_, options).chat(messages, {}, marks); };
  }

  RecordingServer server_{"Dear [EMAIL_1]"};
  Remote remote_{{.url = server_.url(), .model = "big", .price = {.prompt = 2, .completion = 10}}};
};

TEST_F(Door, WithoutRulesItHandsOnAndBack) {
  const auto reply = ServerDoor(remote_).chat(kHello, {});
  EXPECT_EQ(reply.answer.text, "Dear [EMAIL_1]");
  EXPECT_EQ(reply.money, 5 * 2000 + 10000);
  ASSERT_EQ(server_.heard().size(), 1u);
  EXPECT_THAT(server_.heard()[0], HasSubstr("hello there"));
}

TEST_F(Door, WhatIsHiddenIsNotHeardAndComesBack) {
  PolicyOptions policy;
  policy.kinds.fill(Rule::Redact);
  const auto check = make_text_check(policy);
  const DoorOptions options{.check = check.get()};
  const auto reply = ServerDoor(remote_, options).chat(kMail, {});
  EXPECT_EQ(reply.answer.text, "Dear jane@doe.example");
  EXPECT_THAT(server_.heard()[0], AllOf(HasSubstr("write to [EMAIL_1]"), Not(HasSubstr("jane"))));
  std::string said;
  const OnText listen = [&](std::string_view piece) {
    said += piece;
    return true;
  };
  (void)ServerDoor(remote_, options).chat(kMail, {}, {}, listen);
  EXPECT_EQ(said, "Dear jane@doe.example");
}

TEST_F(Door, ACallerThatCancelledHearsNothingMore) {
  RecordingServer server("Dear [EMAIL_1] and [EM");
  Remote remote({.url = server.url(), .model = "big"});
  PolicyOptions policy;
  policy.kinds.fill(Rule::Redact);
  const auto check = make_text_check(policy);
  int pieces = 0;
  const OnText stop = [&](std::string_view) { return ++pieces < 1; };
  (void)ServerDoor(remote, {.check = check.get()}).chat(kMail, {}, {}, stop);
  EXPECT_EQ(pieces, 1);
}

TEST_F(Door, WhatACheckSaysWhereItFailsIsInNoLog) {
  const std::vector<ScriptedCheck::Say> odd = {
      [](int, auto) -> Verdict { throw Error(ErrorCode::Unavailable, "secret hello there"); },
      [](int, auto) -> Verdict { throw std::runtime_error("secret hello there"); },
  };
  for (const auto& say : odd) {
    const ScriptedCheck check(say);
    testing::internal::CaptureStderr();
    EXPECT_THAT(asking({.check = &check}), kept("check failed"));
    const std::string log = testing::internal::GetCapturedStderr();
    EXPECT_THAT(log, AllOf(HasSubstr("policy"), Not(HasSubstr("secret"))));
  }
}

TEST_F(Door, ARequestMarkedLocalOrMatchedOrForAnotherModelStays) {
  const auto check = make_text_check({});
  EXPECT_THAT(asking({}, kHello, {.local_only = true}), kept("local only"));
  EXPECT_THAT(asking({.check = check.get()}, kMail), kept("private: e-mail"));
  EXPECT_THAT(asking({.models = {"small", "other"}}), kept("model not allowed"));
  EXPECT_TRUE(server_.heard().empty());
  EXPECT_NO_THROW(asking({.models = {"small", "big"}})());
}

TEST_F(Door, ACheckThatErrsTellsThatTheRequestStays) {
  const std::vector<ScriptedCheck::Say> odd = {
      [](int, auto) -> Verdict { throw Error(ErrorCode::Unavailable, "no"); },
      [](int, auto) -> Verdict { throw 7; },
      [](int, auto) {
        overrun();
        return may_leave();
      },
      [](int, auto) { return Verdict{.rule = static_cast<Rule>(42), .reason = {}}; },
      [](int, auto) { return Verdict{.rule = static_cast<Rule>(-1), .reason = {}}; },
      [](int, auto) { return Verdict{.rule = Rule::Redact, .reason = {}}; },
      [](int, auto) {
        return Verdict{.rule = Rule::Redact, .reason = {}, .hidden = {{9, 0, 1, "EMAIL"}}};
      },
      [](int, auto) {
        return Verdict{.rule = Rule::Redact, .reason = {}, .hidden = {{0, 0, 1000, "EMAIL"}}};
      },
      [](int, auto) {
        return Verdict{.rule = Rule::Send, .reason = {}, .hidden = {{0, 0, 1, "EMAIL"}}};
      },
      // Hides once, and then finds more: what is hidden is looked at again.
      [](int call, auto) {
        if (call > 1) return Verdict{.rule = Rule::Local, .reason = "check failed"};
        return Verdict{.rule = Rule::Redact, .reason = {}, .hidden = {{0, 0, 2, "EMAIL"}}};
      },
  };
  for (std::size_t i = 0; i < odd.size(); ++i) {
    const ScriptedCheck check(odd[i]);
    EXPECT_THAT(asking({.check = &check, .patience = kShortPatience}), kept("check failed")) << i;
  }
  EXPECT_TRUE(server_.heard().empty());
}

TEST_F(Door, ABudgetThatErrsTellsThatTheRequestStays) {
  const std::vector<std::function<Reservation(const Amount&)>> odd = {
      [](auto&) -> Reservation { throw Error(ErrorCode::Unavailable, "locked"); },
      [](auto&) -> Reservation { throw "text"; },
      [](auto&) {
        overrun();
        return Reservation{true, 1, {}};
      },
      [](auto&) {
        return Reservation{true, 0, {}};
      },
      [](auto&) {
        return Reservation{true, -3, {}};
      },
  };
  for (std::size_t i = 0; i < odd.size(); ++i) {
    ScriptedBudget budget(odd[i]);
    EXPECT_THAT(asking({.budget = &budget, .patience = kShortPatience}),
                kept("budget check failed"))
        << i;
  }
  ScriptedBudget spent([](auto&) { return Reservation{false, 0, "daily calls (2 of 2)"}; });
  EXPECT_THAT(asking({.budget = &spent}), kept("budget spent: daily calls (2 of 2)"));
  EXPECT_TRUE(server_.heard().empty());
}

TEST_F(Door, SetsAsideTheMostAndSettlesWhatTheServerCounted) {
  ScriptedBudget budget([](auto&) { return Reservation{true, 1, {}}; });
  const DoorOptions options{.budget = &budget};
  const auto reply = ServerDoor(remote_, options).chat(kHello, {.max_tokens = 100});
  const std::int64_t prompt = 8 / 3 + 8 + 11 / 3 + 8;
  EXPECT_EQ(budget.aside.calls, 1);
  EXPECT_EQ(budget.aside.tokens, prompt + 100);
  EXPECT_EQ(budget.aside.money, prompt * 2000 + 100 * 10000);
  EXPECT_EQ(budget.settled, 1);
  EXPECT_EQ(budget.spent.tokens, 6);
  EXPECT_EQ(reply.money, 5 * 2000 + 10000);
  EXPECT_EQ(budget.spent.money, reply.money);
}

TEST_F(Door, AStreamThatBrokeOffIsSpentInFullWhateverItsServerHadCountedSoFar) {
  HttpServer http({});
  http.route("POST", "/v1/chat/completions", [](const ServerRequest&) {
    ServerResponse stream;
    stream.stream = [](const SendEvent& send) {
      send(R"({"choices":[{"delta":{"content":"a"}}],)"
           R"("usage":{"prompt_tokens":5,"completion_tokens":1}})");
    };
    return stream;
  });
  http.start();
  Remote remote({.url = http.url(), .model = "big", .price = {1, 1}});
  ScriptedBudget budget([](auto&) { return Reservation{true, 1, {}}; });
  const OnText listen = [](std::string_view) { return true; };
  const auto ask = [&] {
    (void)ServerDoor(remote, {.budget = &budget}).chat(kHello, {.max_tokens = 100}, {}, listen);
  };
  std::int64_t paid = 0;
  try {
    ask();
  } catch (const NoReply& broken) {
    paid = broken.money();
  }
  EXPECT_GT(paid, 0);
  EXPECT_EQ(paid, budget.aside.money);
  EXPECT_EQ(budget.spent.tokens, budget.aside.tokens);
}

TEST_F(Door, AFailureOfWhateverTypeIsNoReplyButTheListenersOwnComesOut) {
  RemoteOptions options{.servers = {{.url = "http://big.example", .model = "big"}}};
  options.look_up = [](const std::string&) -> std::vector<std::string> {
    throw std::system_error(std::make_error_code(std::errc::resource_unavailable_try_again));
  };
  Remote remote(options);
  EXPECT_THROW((void)ServerDoor(remote).chat(kHello, {}), NoReply);
  const OnText broken = [](std::string_view) -> bool { throw std::out_of_range("listener"); };
  EXPECT_THROW((void)ServerDoor(remote_).chat(kHello, {}, {}, broken), std::out_of_range);
}

TEST_F(Door, ARefusalIsACallWithoutTokensOrMoney) {
  for (const auto& [status, tokens] :
       {std::pair{401, false}, {429, false}, {503, false}, {500, true}}) {
    HttpServer http({});
    http.route("POST", "/v1/chat/completions", [status = status](const ServerRequest&) {
      return ServerResponse{.status = status, .body = "{}"};
    });
    http.start();
    RemoteOptions options{.servers = {{.url = http.url(), .model = "big", .price = {1, 1}}}};
    options.retry.retries = 0;
    Remote remote(options);
    ScriptedBudget budget([](auto&) { return Reservation{true, 1, {}}; });
    EXPECT_THROW((void)ServerDoor(remote, {.budget = &budget}).chat(kHello, {}), NoReply);
    EXPECT_EQ(budget.spent.calls, 1) << status;
    EXPECT_EQ(budget.spent.tokens > 0, tokens) << status;
    EXPECT_EQ(budget.spent.money > 0, tokens) << status;
  }
}

/// Answers each question with what `say` makes of its number, from 1; counts them.
struct CountingServer {
  explicit CountingServer(std::function<ServerResponse(int)> say) {
    http.route("POST", "/v1/chat/completions",
               [this, say = std::move(say)](const ServerRequest&) { return say(++asked); });
    http.start();
  }
  std::atomic<int> asked = 0;
  HttpServer http{HttpServerOptions{}};
};

TEST_F(Door, EachRequestThatCarriesTheQuestionIsACallAndNoneIsMadeBeyondTheLimit) {
  const std::function<ServerResponse(int)> odd[] = {
      // Log-probs and usage may be the reason, so it is asked without them.
      [](int) { return ServerResponse{.status = 400, .body = "{}"}; },
      [](int) {
        return ServerResponse{
            .status = 307, .body = "{}", .headers = {{"Location", "/v1/chat/completions"}}};
      },
  };
  const OnText listen = [](std::string_view) { return true; };
  for (const auto& say : odd) {
    CountingServer server(say);
    Remote remote({.url = server.http.url(), .model = "big", .price = {1, 1}});
    TemporaryFolder folder;
    Store store(folder.path() / "s.db");
    StoreBudget two(store, {.daily = {.calls = 2}});
    ServerDoor door(remote, {.budget = &two});
    for (int k = 0; k < 2; ++k) {
      EXPECT_THAT(
          [&] { (void)door.chat(kHello, {.top_log_probs = 5}, {}, listen); },
          Throws<Kept>(AllOf(Property(&Kept::what, StrEq("budget spent: daily calls (2 of 2)")),
                             Property(&Kept::money, 0))));
    }
    EXPECT_EQ(server.asked, 2);
    EXPECT_EQ(store.spending().today.calls, 2);
    EXPECT_EQ(store.spending().today.tokens, 0) << "they did no work";
    EXPECT_EQ(store.spending().unsettled, 0);
  }
}

TEST_F(Door, AnAnswerBehindARefusedExtraIsTwoCallsOfWhichOneDidTheWork) {
  CountingServer server([](int nth) {
    if (nth == 1) return ServerResponse{.status = 422, .body = "{}"};
    return ServerResponse{.body = R"({"choices":[{"message":{"content":"B"}}],)"
                                  R"("usage":{"prompt_tokens":5,"completion_tokens":1}})"};
  });
  Remote remote({.url = server.http.url(), .model = "big", .price = {2, 10}});
  TemporaryFolder folder;
  Store store(folder.path() / "s.db");
  StoreBudget budget(store, {.daily = {.calls = 3}});
  ServerDoor door(remote, {.budget = &budget});
  EXPECT_EQ(door.chat(kHello, {.top_log_probs = 5}).money, 5 * 2000 + 10000);
  EXPECT_EQ(store.spending().today.calls, 2);
  EXPECT_EQ(store.spending().today.tokens, 6);
  EXPECT_NO_THROW((void)door.chat(kHello, {.top_log_probs = 5})) << "it is remembered";
  EXPECT_EQ(server.asked, 3);
}

TEST_F(Door, WhatARequestCostThatKeptItsReservationIsGivenBackWhenACheckWasTooSlow) {
  ScriptedBudget slow([](auto&) {
    overrun();
    return Reservation{true, 5, {}};
  });
  EXPECT_THROW(asking({.budget = &slow, .patience = kShortPatience})(), Kept);
  EXPECT_EQ(slow.settled, 1);
  EXPECT_EQ(slow.spent.calls, 0);
}

TEST_F(Door, AServerThatIsNotNamedAModelIsAskedForItsFirstOneWhereThatIsAllowed) {
  Remote unnamed({.url = server_.url()});
  const DoorOptions other{.models = {"small"}};
  EXPECT_THAT([&] { (void)ServerDoor(unnamed, other).chat(kHello, {}); },
              kept("model not allowed"));
  ASSERT_EQ(server_.heard().size(), 1u);
  EXPECT_THAT(server_.heard()[0], HasSubstr("GET /v1/models")) << "no text";
  const DoorOptions same{.models = {"big"}};
  EXPECT_NO_THROW((void)ServerDoor(unnamed, same).chat(kHello, {}));
}

TEST_F(Door, ASpentBudgetDoesNotEvenLetOutTheQuestionWhichModelsThereAre) {
  Remote unnamed({.url = server_.url(), .price = {1, 1}});
  ScriptedBudget spent([](auto&) { return Reservation{false, 0, "daily calls (0 of 0)"}; });
  ServerDoor door(unnamed, {.budget = &spent});
  EXPECT_THAT([&] { (void)door.chat(kHello, {}); }, kept("budget spent: daily calls (0 of 0)"));
  EXPECT_THAT([&] { (void)door.models(); }, kept("budget spent: daily calls (0 of 0)"));
  EXPECT_EQ(spent.aside.tokens, 1) << "a limit of no token or no money leaves no room either";
  EXPECT_GT(spent.aside.money, 0);
  EXPECT_TRUE(server_.heard().empty());
}

TEST_F(Door, TheQuestionWhichModelsThereAreIsNoCallOfItsOwn) {
  Remote unnamed({.url = server_.url()});
  ScriptedBudget budget([](auto&) { return Reservation{true, 1, {}}; });
  ServerDoor door(unnamed, {.budget = &budget});
  EXPECT_THAT(door.models(), ElementsAre("big"));
  EXPECT_EQ(budget.settled, 1);
  EXPECT_EQ(budget.spent.calls, 0) << "it is given back";
  (void)door.chat(kHello, {});
  EXPECT_EQ(budget.settled, 2);
  EXPECT_EQ(budget.spent.calls, 1);
  EXPECT_EQ(budget.spent.tokens, 6);
}

TEST_F(Door, AServerThatCannotBeReachedCostsNothingAndTheNextOneIsPaid) {
  ScriptedBudget budget([](auto&) { return Reservation{true, 1, {}}; });
  const RemoteServer down{.url = "http://127.0.0.1:9", .model = "big", .price = {1e6, 1e6}};
  Remote both(RemoteOptions{.servers = {down, {.url = server_.url(), .model = "big"}}});
  const auto reply = ServerDoor(both, {.budget = &budget}).chat(kHello, {});
  EXPECT_EQ(reply.answer.text, "Dear [EMAIL_1]");
  EXPECT_EQ(reply.money, 0);
  EXPECT_EQ(budget.settled, 2);
  EXPECT_EQ(budget.spent.calls, 1);
  EXPECT_EQ(budget.spent.tokens, 6);
  RemoteOptions once{.servers = {down}};
  once.retry.retries = 0;
  Remote alone(once);
  EXPECT_THROW((void)ServerDoor(alone, {.budget = &budget}).chat(kHello, {}), Error);
  EXPECT_EQ(budget.settled, 3);
  EXPECT_EQ(budget.spent.calls, 0) << "nothing was sent";
}

TEST_F(Door, LooksOnceMoreWhenTheSocketIsAboutToOpen) {
  const ScriptedCheck check([](int call, auto) {
    return call == 1 ? may_leave() : Verdict{.rule = Rule::Local, .reason = "private: late"};
  });
  EXPECT_THAT(asking({.check = &check}), kept("private: late"));
  EXPECT_TRUE(server_.heard().empty());
}

TEST_F(Door, PricesAreForAMillionTokensAndRoundedUp) {
  EXPECT_EQ(money_for({.prompt = 1, .completion = 0}, 1'000'000, 5), kMoneyUnit);
  EXPECT_EQ(money_for({.prompt = 0.0001, .completion = 0}, 1, 0), 1);
  EXPECT_EQ(money_for({}, 100, 100), 0);
}

TEST_F(Door, LooksAtEveryTextOfAQuestion) {
  const auto check = make_text_check({});
  const DoorOptions options{.check = check.get()};
  const auto rule = [&](const Example& question) { return look(options, question).rule; };
  Example choices;
  choices.question = "which?";
  choices.choices = {"yes", "no"};
  EXPECT_EQ(rule(choices), Rule::Send);
  for (std::string* text : {&choices.question, &choices.context, &choices.choices[1]}) {
    const std::string before = *text;
    *text += " jane@doe.example";
    EXPECT_EQ(rule(choices), Rule::Local);
    *text = before;
  }
  Example completion;
  completion.kind = ExampleKind::Completion;
  completion.prompt = "jane@doe.example is";
  EXPECT_EQ(rule(completion), Rule::Local);
  Example chat;
  chat.kind = ExampleKind::Messages;
  chat.messages = {{"system", "you serve jane@doe.example"}, {"user", "hi"}};
  EXPECT_EQ(rule(chat), Rule::Local);
}

}  // namespace
}  // namespace crayon
