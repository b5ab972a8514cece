import torch

from qsmflow.phantom.lattice import Lattice, lattice_shape, random_function, smooth_noise


def test_interpolation_is_exact_for_products_of_linear_functions() -> None:
    x, y, z = torch.meshgrid(
        *(torch.arange(n) * 0.5 + start for n, start in ((7, -1.0), (9, 0.0), (5, 2.0))), indexing="ij"
    )
    lattice = Lattice.of((-1.0, 0.0, 2.0), 0.5, torch.stack([x + 2 * y - z, x * y * z]))
    points = torch.rand(500, 3) * torch.tensor([3.0, 4.0, 2.0]) + torch.tensor([-1.0, 0.0, 2.0])
    px, py, pz = points.T
    found = lattice.at(points)
    torch.testing.assert_close(found[:, 0], px + 2 * py - pz, atol=1e-5, rtol=1e-5)
    cell = torch.floor((points - torch.tensor([-1.0, 0.0, 2.0])) / 0.5)
    assert bool((cell >= 0).all())
    torch.testing.assert_close(found[:, 1], px * py * pz, atol=1e-4, rtol=1e-5)


def test_border_goes_on_beyond_the_lattice() -> None:
    lattice = Lattice.of((0.0, 0.0, 0.0), 1.0, torch.arange(27.0).reshape(1, 3, 3, 3))
    far = torch.tensor([[-9.0, -9.0, -9.0], [9.0, 9.0, 9.0]])
    torch.testing.assert_close(lattice.at(far)[:, 0], torch.tensor([0.0, 26.0]))
    assert lattice.holds(far).tolist() == [False, False]
    assert lattice.holds(torch.tensor([[1.0, 2.0, 0.0]])).tolist() == [True]


def test_noise_is_standard_seeded_and_of_the_wavelength() -> None:
    def draw(seed: int) -> torch.Tensor:
        return smooth_noise((48, 48, 48), 1.0, 12.0, torch.Generator().manual_seed(seed), band=0.2)

    noise = draw(3)
    assert abs(float(noise.mean())) < 1e-4 and abs(float(noise.std()) - 1) < 1e-4
    assert torch.equal(noise, draw(3)) and not torch.equal(noise, draw(4))
    # a band of wavelength L has curvature (2 pi / L)^2
    slope = torch.gradient(noise)[0]
    expected = (2 * torch.pi / 12.0) / 3**0.5
    assert abs(float(slope.std()) / expected - 1) < 0.25


def test_random_function_covers_its_box() -> None:
    low, high = (-20.0, -30.0, -10.0), (20.0, 31.0, 11.0)
    function = random_function(low, high, 9.0, torch.Generator().manual_seed(0), channels=2)
    assert function.rows.shape[1] == 2
    assert bool(function.holds(torch.tensor([low, high])).all())
    assert lattice_shape((0, 0, 0), (1.0, 1.01, 0.99), 0.5) == (3, 4, 3)
