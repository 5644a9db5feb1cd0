// Each fault once for a question with choices and once for a streamed answer: the user gets the
// device's answer, the reason says what the server did, and the key is in no message. Where some
// text of a stream was given before, that is an error: nobody else goes on with it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "tests/faults/world.h"

namespace crayon {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Property;
using ::testing::Throws;

/// The longest that an answer may take which meets the fault, in seconds: on a machine with ten
/// times more to do, and with time for the device's own answer, but less than what a fault would
/// take that only a deadline ended.
double bound_s(std::chrono::milliseconds takes) {
  return std::chrono::duration<double>(10s + 10 * takes).count();
}
double bound_s(const Fault& fault) {
  if (!fault.slow) return bound_s(fault.takes);
  const HttpTimeouts ends = patience(fault);
  return bound_s(fault.spoke ? ends.first_byte : ends.total);
}

class Faults : public ::testing::TestWithParam<Fault> {
 protected:
  static void expect_in_time(double seconds) { EXPECT_LT(seconds, bound_s(GetParam())); }
  static void expect_device(const Answer& answer, const std::string& reason) {
    EXPECT_EQ(answer.side, Side::Device);
    EXPECT_THAT(answer.reason, AllOf(HasSubstr("server "), HasSubstr(reason)));
    EXPECT_THAT(answer.reason, AllOf(HasSubstr("127.0.0.1"), Not(HasSubstr("secret")),
                                     Not(HasSubstr("one two")), Not(HasSubstr("is it"))));
  }

  [[nodiscard]] RemoteOptions options(const FaultyServer& server) const {
    RemoteOptions options;
    options.servers = {world_.server(server.url(GetParam().tls))};
    options.timeouts = patience(GetParam());
    options.retry = quick_retries();
    return options;
  }
  OnText listen() {
    return [this](std::string_view piece) {
      said_ += piece;
      return true;
    };
  }

  FaultWorld world_;
  std::string said_;
};

TEST_P(Faults, CostNoAnswerToAQuestionWithChoices) {
  const Fault& fault = GetParam();
  FaultyServer server(world_.authority(), [&](int) { return &fault; });
  Remote remote(options(server));

  const Answer answer = world_.answerer(remote).answer(FaultWorld::choice_question());

  expect_in_time(answer.seconds);
  if (fault.reason == nullptr) {
    EXPECT_EQ(answer.side, Side::Server) << answer.reason;
    EXPECT_EQ(answer.text, "no");
  } else {
    expect_device(answer, fault.reason);
    EXPECT_EQ(answer.text, "yes");
  }
}

class SilentFaults : public Faults {};
TEST_P(SilentFaults, CostNoStreamedAnswerAndNothingIsSaidTwice) {
  const Fault& fault = GetParam();
  FaultyServer server(world_.authority(), [&](int) { return &fault; });
  Remote remote(options(server));

  const Answer answer = world_.answerer(remote).answer(FaultWorld::free_question(), listen());

  expect_in_time(answer.seconds);
  EXPECT_EQ(said_, answer.text);
  if (fault.reason == nullptr) {
    EXPECT_EQ(answer.side, Side::Server) << answer.reason;
    EXPECT_EQ(answer.text, "B");
  } else {
    expect_device(answer, "");  // some faults look otherwise in a stream
    EXPECT_THAT(answer.text, HasSubstr(FaultWorld::free_answer()));
  }
}

class SpokenFaults : public Faults {};
TEST_P(SpokenFaults, AreAnErrorAndNobodyElseGoesOn) {
  const Fault& fault = GetParam();
  FaultyServer server(world_.authority(), [&](int) { return &fault; });
  FaultyServer second(world_.authority(), [](int) { return nullptr; });
  RemoteOptions both = options(server);
  both.servers.push_back(world_.server(second.url()));
  Remote remote(both);
  std::vector<DecisionRecord> log;
  Answerer answerer = world_.answerer(remote, &log);

  EXPECT_THAT(
      [&] { (void)answerer.answer(FaultWorld::free_question(), listen()); },
      Throws<Error>(AllOf(
          Property(&Error::code, ErrorCode::Unavailable),
          Property(&Error::what, AllOf(HasSubstr("127.0.0.1"), HasSubstr("not the whole answer"),
                                       Not(HasSubstr("secret")), Not(HasSubstr("one two")))))));

  EXPECT_EQ(said_, "B");
  EXPECT_EQ(second.connections(), 0);
  ASSERT_EQ(log.size(), 1u);
  EXPECT_TRUE(log[0].server);
  EXPECT_EQ(log[0].reason, "server broke off");
  EXPECT_GT(log[0].money, 0);
  expect_in_time(log[0].seconds);
}

TEST_P(SpokenFaults, CostNoAnswerThatIsNotShownBeforeItIsWhole) {
  const Fault& fault = GetParam();
  FaultyServer server(world_.authority(), [&](int) { return &fault; });
  Remote remote(options(server));

  const Answer answer = world_.answerer(remote).answer(FaultWorld::free_question());

  expect_device(answer, "");
  EXPECT_THAT(answer.text, HasSubstr(FaultWorld::free_answer()));
}

std::string test_name(const ::testing::TestParamInfo<Fault>& info) {
  std::string name = info.param.name;
  std::replace_if(
      name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  return name;
}

std::vector<Fault> faults_that(bool spoke) {
  std::vector<Fault> some = all_faults();
  std::erase_if(some, [spoke](const Fault& fault) { return fault.spoke != spoke; });
  return some;
}

INSTANTIATE_TEST_SUITE_P(Each, Faults, ::testing::ValuesIn(all_faults()), test_name);
INSTANTIATE_TEST_SUITE_P(Each, SilentFaults, ::testing::ValuesIn(faults_that(false)), test_name);
INSTANTIATE_TEST_SUITE_P(Each, SpokenFaults, ::testing::ValuesIn(faults_that(true)), test_name);

TEST(FaultTable, HasAtLeast25FaultsOfDifferentNames) {
  std::set<std::string> names;
  for (const Fault& fault : all_faults()) names.insert(fault.name);
  EXPECT_EQ(names.size(), all_faults().size());
  EXPECT_GE(names.size(), 25u);
}

TEST(FaultTable, WouldNoticeAFaultThatOnlyADeadlineEnds) {
  for (const Fault& fault : all_faults()) {
    const double deadline = std::chrono::duration<double>(patience(fault).total).count();
    EXPECT_TRUE(fault.slow || bound_s(fault) < deadline) << fault.name;
  }
}

// Faults that no server can be asked for: nobody listens, and the name that nobody knows.
class Unreachable : public ::testing::Test {
 protected:
  /// @param takes  as Fault's
  Answer ask(RemoteOptions options, std::chrono::milliseconds takes = 0ms) {
    options.retry = quick_retries();
    Remote remote(options);
    const Answer answer = world_.answerer(remote).answer(FaultWorld::choice_question());
    EXPECT_LT(answer.seconds, bound_s(takes));
    return answer;
  }
  void expect_device(const Answer& answer, const std::string& reason) {
    EXPECT_EQ(answer.side, Side::Device);
    EXPECT_EQ(answer.text, "yes");
    EXPECT_THAT(answer.reason, HasSubstr(reason));
  }
  std::string closed_port() {
    return FaultyServer(world_.authority(), [](int) { return nullptr; }).url();
  }

  FaultWorld world_;
};

TEST_F(Unreachable, AConnectionThatIsRefused) {
  RemoteOptions options;
  options.servers = {world_.server(closed_port())};
  expect_device(ask(options), "refused the connection");
}

TEST_F(Unreachable, ANameThatIsNotKnown) {
  RemoteOptions options;
  options.servers = {world_.server("https://llm.example")};
  options.look_up = [](const std::string&) { return std::vector<std::string>(); };
  expect_device(ask(options), "the name 'llm.example' was not found");
}

TEST_F(Unreachable, ALookUpThatFailsInItsOwnWay) {
  RemoteOptions options;
  options.servers = {world_.server("https://llm.example")};
  options.look_up = [](const std::string&) -> std::vector<std::string> {
    throw std::runtime_error("resolver");
  };
  expect_device(ask(options), "was not found");
}

TEST_F(Unreachable, ALookUpThatTakesTooLong) {
  std::atomic<bool> over = false;
  std::atomic<int> asked = 0;
  RemoteOptions options;
  options.servers = {world_.server("http://llm.example")};
  options.timeouts = kShortPatience;
  options.look_up = [&](const std::string&) {
    ++asked;
    while (!over) std::this_thread::sleep_for(1ms);
    ++asked;
    return std::vector<std::string>();
  };
  options.retry = quick_retries();
  Remote remote(options);
  Answerer answerer = world_.answerer(remote);
  for (int i = 0; i < 2; ++i) {
    expect_device(answerer.answer(FaultWorld::choice_question()), "the name look-up took too long");
  }
  EXPECT_EQ(asked, 1) << "one look-up of a name at a time, however many calls wait for it";
  over = true;
  while (asked < 2) std::this_thread::sleep_for(1ms);  // its thread uses what lies on this stack
}

TEST_F(Unreachable, AnAddressThatSwallowsEverythingLeavesTimeForTheNext) {
  FaultyServer server(world_.authority(), [](int) { return nullptr; });
  RemoteOptions options;
  options.servers = {world_.server("http://llm.example:" + server.url().substr(17))};
  options.timeouts = kLongPatience;
  options.timeouts.connect = 2s;
  // The first address is kept for documentation: nobody answers there, or the network says so.
  options.look_up = [](const std::string&) {
    return std::vector<std::string>{"192.0.2.1", "127.0.0.1"};
  };
  const Answer answer = ask(options, options.timeouts.connect / 2);
  EXPECT_EQ(answer.side, Side::Server) << answer.reason;
}

TEST_F(Unreachable, ASecondServerAnswersInPlaceOfEachThatFails) {
  FaultyServer second(world_.authority(), [](int) { return nullptr; });
  for (const Fault& fault : all_faults()) {
    if (fault.reason == nullptr || fault.slow) continue;
    FaultyServer first(world_.authority(), [&](int) { return &fault; });
    RemoteOptions options;
    options.servers = {world_.server(first.url(fault.tls)), world_.server(second.url())};
    options.timeouts = kLongPatience;
    const Answer answer = ask(options, fault.takes);
    EXPECT_EQ(answer.side, Side::Server) << fault.name << ": " << answer.reason;
  }
}

}  // namespace
}  // namespace crayon
