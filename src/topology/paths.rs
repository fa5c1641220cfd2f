//! Paths through a topology: for each destination, the neighbours that a node sends to, best first.
//!
//! The first choice is a shortest path. Further choices are for when it is not connected (D21: the highest priority
//! whose next hop is connected wins, and a packet never goes back to the peer that it came from). They are chosen so
//! that no packet can run in a circle, whatever is down, the destination itself included: a packet is described by the
//! link it came over, and the graph of "came over this link, may go over that one" is kept without a cycle.

use std::collections::{HashSet, VecDeque};

/// Choices beside the shortest path, per node and destination.
const ALTERNATIVES_MAX: usize = 3;
/// In larger networks only neighbours that are no farther from the destination are alternatives. To find the others
/// takes a search for every pair of nodes.
const DETOUR_NODES_MAX: usize = 128;
/// Neighbours that are tried for one alternative.
const TRIES_MAX: usize = 8;

/// The linked nodes, by number.
#[derive(Clone, Debug)]
pub(super) struct Graph {
    neighbours: Vec<Vec<usize>>,
}

/// One choice of a node for a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    /// The neighbour to send to.
    pub(super) next_hop: usize,
    /// Higher is better; minus the number of hops, or less where that is taken.
    pub(super) priority: i32,
}

impl Graph {
    pub(super) fn new(nodes: usize, links: impl IntoIterator<Item = (usize, usize)>) -> Self {
        let mut neighbours = vec![Vec::new(); nodes];
        for (a, b) in links {
            for (from, to) in [(a, b), (b, a)] {
                if let Some(list) = neighbours.get_mut::<usize>(from)
                    && from != to
                    && !list.contains(&to)
                {
                    list.push(to);
                }
            }
        }
        // The order of nodes, not of links: rewriting a file must not move traffic.
        neighbours.iter_mut().for_each(|list| list.sort_unstable());
        Self { neighbours }
    }

    fn of(&self, node: usize) -> &[usize] {
        self.neighbours.get(node).map(Vec::as_slice).unwrap_or_default()
    }

    /// Hops from every node to `to`, as if `without` were not there. `None`: no way.
    pub(super) fn distances(&self, to: usize, without: Option<usize>) -> Vec<Option<u32>> {
        let mut distances = vec![None; self.neighbours.len()];
        let mut queue = VecDeque::from([(to, 0)]);
        while let Some((node, distance)) = queue.pop_front() {
            match distances.get_mut(node) {
                Some(known @ None) if Some(node) != without => *known = Some(distance),
                _ => continue,
            }
            queue.extend(self.of(node).iter().map(|next| (*next, distance + 1)));
        }
        distances
    }

    /// For every node its choices for packets to `destination`, best first.
    pub(super) fn choices(&self, destination: usize) -> Vec<Vec<Choice>> {
        let distances = self.distances(destination, None);
        let distance = |node: usize| distances.get(node).copied().flatten();
        let nodes = self.neighbours.len();
        let mut chosen: Vec<Vec<usize>> = vec![Vec::new(); nodes];
        let mut tries: Vec<Vec<(u32, usize)>> = vec![Vec::new(); nodes];
        for node in (0..nodes).filter(|node| *node != destination) {
            let Some(own) = distance(node) else { continue };
            let mut next_hops = self.next_hops(node, own, destination, &distances);
            if !next_hops.is_empty()
                && let Some(list) = chosen.get_mut(node)
            {
                list.push(next_hops.remove(0).1);
            }
            next_hops.truncate(TRIES_MAX);
            if let Some(list) = tries.get_mut(node) {
                *list = next_hops;
            }
        }
        // One alternative per node and round, so that no node's third costs another node its first.
        for _ in 0..ALTERNATIVES_MAX {
            for node in 0..nodes {
                let Some(next_hops) = tries.get_mut(node) else { continue };
                while !next_hops.is_empty() {
                    let (_, next) = next_hops.remove(0);
                    if !makes_a_loop(&chosen, node, next, destination) {
                        if let Some(list) = chosen.get_mut(node) {
                            list.push(next);
                        }
                        break;
                    }
                }
            }
        }
        let hops =
            |next: usize| i32::try_from(distance(next).unwrap_or(0)).unwrap_or(i32::MAX - 1) + 1;
        chosen
            .into_iter()
            .map(|list| {
                let mut last = 1;
                let mut list: Vec<_> = list.into_iter().map(|next| (hops(next), next)).collect();
                list.sort_unstable();
                list.into_iter()
                    .map(|(hops, next_hop)| {
                        last = (-hops).min(last - 1);
                        Choice { next_hop, priority: last }
                    })
                    .collect()
            })
            .collect()
    }

    /// The neighbours that lead to the destination without coming back, nearest first.
    fn next_hops(
        &self,
        node: usize,
        own: u32,
        destination: usize,
        distances: &[Option<u32>],
    ) -> Vec<(u32, usize)> {
        let search = self.neighbours.len() <= DETOUR_NODES_MAX && self.of(node).len() > 1;
        let around = search.then(|| self.distances(destination, Some(node)));
        let mut next_hops: Vec<(u32, usize)> = self
            .of(node)
            .iter()
            .filter_map(|next| {
                let straight = distances.get(*next).copied().flatten()?;
                // No farther than we are: its shortest path does not lead through us.
                if straight <= own {
                    return Some((straight, *next));
                }
                around.as_ref()?.get(*next).copied().flatten().map(|detour| (detour, *next))
            })
            .collect();
        next_hops.sort_unstable();
        next_hops
    }
}

/// Whether a packet could come back to the link `node` -> `next` if `next` became a choice of `node`.
fn makes_a_loop(chosen: &[Vec<usize>], node: usize, next: usize, destination: usize) -> bool {
    let mut seen = HashSet::new();
    let mut open = vec![(node, next)];
    while let Some((from, at)) = open.pop() {
        if at == destination || !seen.insert((from, at)) {
            continue;
        }
        if at == node && from != next {
            return true;
        }
        let choices = chosen.get(at).map(Vec::as_slice).unwrap_or_default();
        open.extend(choices.iter().filter(|to| **to != from).map(|to| (at, *to)));
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Choices of `node` for `destination` as `hop:priority`.
    fn check(graph: &Graph, node: usize, destination: usize, expected: &str) {
        let choices = &graph.choices(destination)[node];
        let shown: Vec<String> = choices
            .iter()
            .map(|choice| format!("{}:{}", choice.next_hop, choice.priority))
            .collect();
        assert_eq!(shown.join(" "), expected, "{node} to {destination}");
    }

    fn ring(n: usize) -> Graph {
        Graph::new(n, (0..n).map(|i| (i, (i + 1) % n)))
    }

    fn mesh(n: usize) -> Graph {
        Graph::new(n, (0..n).flat_map(|a| (0..a).map(move |b| (b, a))))
    }

    #[test]
    fn shortest_first_then_ways_around() {
        let line = Graph::new(3, [(0, 1), (1, 2)]);
        check(&line, 0, 2, "1:-2");
        check(&line, 1, 2, "2:-1");
        check(&line, 0, 1, "1:-1");
        let ring = ring(4);
        check(&ring, 0, 1, "1:-1 3:-3");
        check(&ring, 0, 2, "1:-2 3:-3");
        check(&ring, 3, 1, "0:-2 2:-3");
        check(&mesh(4), 0, 3, "3:-1 1:-2 2:-3");
        let apart = Graph::new(3, [(0, 1)]);
        check(&apart, 0, 2, "");
    }

    /// Sends a packet with some links and nodes down, and returns the hops until it arrives or is refused.
    fn walk(
        choices: &[Vec<Choice>],
        from: usize,
        to: usize,
        down: &dyn Fn(usize, usize) -> bool,
    ) -> (bool, usize) {
        let (mut came, mut at, mut hops) = (usize::MAX, from, 0);
        while at != to && hops < 1000 {
            let up = |choice: &&Choice| choice.next_hop != came && !down(at, choice.next_hop);
            let Some(next) = choices[at].iter().find(up) else { return (false, hops) };
            (came, at, hops) = (at, next.next_hop, hops + 1);
        }
        (at == to, hops)
    }

    #[test]
    fn nothing_circles_and_a_broken_link_is_passed() {
        let wheel = Graph::new(6, (1..6).flat_map(|i| [(0, i), (i, i % 5 + 1)]));
        for graph in [ring(3), ring(4), ring(5), ring(8), mesh(3), mesh(4), mesh(6), wheel] {
            let n = graph.neighbours.len();
            for to in 0..n {
                let choices = graph.choices(to);
                for from in (0..n).filter(|from| *from != to) {
                    let dead = |_: usize, next: usize| next == to;
                    let (arrived, hops) = walk(&choices, from, to, &dead);
                    assert!(
                        !arrived && hops <= n,
                        "{from} to the dead {to}: {hops} hops in {graph:?}"
                    );
                    // Only its own links does a node know to be down.
                    let first = choices[from][0].next_hop;
                    let cut =
                        |x: usize, y: usize| (x, y) == (from, first) || (x, y) == (first, from);
                    let (arrived, _) = walk(&choices, from, to, &cut);
                    assert!(arrived, "{from} to {to} without {from}-{first} in {graph:?}");
                }
            }
        }
    }

    #[test]
    fn large_networks_stay_quick() {
        assert_eq!(ring(400).choices(0)[200].len(), 2);
        assert_eq!(ring(400).choices(0)[1], [Choice { next_hop: 0, priority: -1 }]);
    }
}
