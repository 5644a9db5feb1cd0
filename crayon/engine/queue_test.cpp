// The queue over the fake engine: this program also runs under the thread sanitizer.
#include "crayon/engine/queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "crayon/base/error.h"
#include "crayon/testing/fake_engine.h"

namespace crayon {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Property;
using ::testing::Throws;

std::unique_ptr<Engine> fake_engine() { return make_fake_model()->open_engine(); }

/// Holds the worker of a queue until it is opened, so that jobs wait behind it.
class Gatekeeper {
 public:
  explicit Gatekeeper(EngineQueue& queue) {
    auto started = std::make_shared<std::promise<void>>();
    auto inside = started->get_future();
    held_ = queue.submit([started, opened = opened_.get_future().share()](Engine&) {
      started->set_value();
      opened.wait();
    });
    inside.wait();
  }
  void open() { opened_.set_value(); }
  void wait() { held_.get(); }

 private:
  std::promise<void> opened_;
  std::future<void> held_;
};

TEST(EngineQueue, RunsJobsInOrderOnOneThread) {
  EngineQueue queue(fake_engine());
  Gatekeeper gate(queue);
  std::vector<int> order;  // written by the worker only
  std::vector<std::thread::id> threads;
  std::vector<std::future<void>> jobs;
  for (int i = 0; i < 3; ++i) {
    jobs.push_back(queue.submit([&, i](Engine&) {
      order.push_back(i);
      threads.push_back(std::this_thread::get_id());
    }));
  }
  EXPECT_EQ(queue.waiting(), 3u);
  gate.open();
  for (auto& job : jobs) job.get();
  EXPECT_THAT(order, ElementsAre(0, 1, 2));
  EXPECT_EQ(threads[0], threads[2]);
  EXPECT_NE(threads[0], std::this_thread::get_id());
  EXPECT_EQ(queue.waiting(), 0u);
}

TEST(EngineQueue, WhatAJobThrowsComesOutAndTheNextOneRuns) {
  EngineQueue queue(fake_engine());
  EXPECT_THAT([&] { queue.run([](Engine& engine) { (void)engine.score({}, {}); }); },
              Throws<Error>(Property(&Error::code, ErrorCode::InvalidArgument)));
  std::string text;
  queue.run([&](Engine& engine) { text = engine.generate("Say *yes", {}).text; });
  EXPECT_EQ(text, " yes");
}

TEST(EngineQueue, RefusesAJobWhenItIsFull) {
  EngineQueue queue(fake_engine(), /*capacity=*/2);
  Gatekeeper gate(queue);
  auto first = queue.submit([](Engine&) {});
  auto second = queue.submit([](Engine&) {});
  EXPECT_THAT([&] { (void)queue.submit([](Engine&) {}); },
              Throws<Error>(Property(&Error::what, HasSubstr("2 jobs wait"))));
  gate.open();
  first.get();
  second.get();
  queue.run([](Engine&) {});
}

TEST(EngineQueue, ClosingEndsTheRunningJobAndBreaksTheWaitingOnes) {
  auto queue = std::make_unique<EngineQueue>(fake_engine());
  Gatekeeper gate(*queue);
  auto waiting = queue->submit([](Engine&) { FAIL() << "ran after closing"; });
  std::thread closer([&] { queue.reset(); });
  EXPECT_THAT([&] { waiting.get(); },
              Throws<Error>(Property(&Error::code, ErrorCode::Unavailable)));
  gate.open();
  gate.wait();
  closer.join();
}

TEST(EngineQueue, ServesManyThreads) {
  EngineQueue queue(fake_engine(), /*capacity=*/1000);
  std::atomic<int> right{0};
  std::vector<std::thread> users;
  for (int user = 0; user < 4; ++user) {
    users.emplace_back([&, user] {
      for (int i = 0; i < 25; ++i) {
        const std::string word = std::to_string(100 * user + i);
        std::string text;
        queue.run([&](Engine& engine) { text = engine.generate("*" + word, {}).text; });
        if (text == " " + word) ++right;
      }
    });
  }
  for (auto& user : users) user.join();
  EXPECT_EQ(right, 100);
}

}  // namespace
}  // namespace crayon
